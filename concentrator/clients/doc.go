// Package clients keeps the CPEs that may use the concentrator: their keys,
// whether they are enabled, their limits, and where they may go.
//
// Reading order: client.go (what is kept), store.go (what the daemon and the command line need of a store),
// then the store that there is, a folder with a file per client: file.go (the
// file), edit.go (changes), table.go and folder.go (what the daemon reads).
//
// A file that is broken costs its own client only, and not even that while the
// daemon still has what the file said before.
package clients
