// Package control is the unix socket by which a command line talks to its
// running daemon: one request line "NAME ARG...", one JSON document back, then
// the connection ends. The file's mode (0600) is the access control.
package control
