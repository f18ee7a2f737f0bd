// Package cli is "tandem-concentrator client": it adds, shows, changes and
// removes clients, and tells the running daemon.
//
// Reading order: command.go (the commands), flags.go (limits and destinations
// as flags), print.go (tables and JSON).
//
// A key is printed once, as part of the pairing line, when it is made; "show
// --line" prints the newest again, as whoever may read the store can read it
// there anyway.
package cli
