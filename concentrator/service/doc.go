// Package service is what the daemon and systemd have to tell each other:
// listening sockets from a socket unit, "ready", "stopping" and "still alive",
// and log lines whose fields the journal keeps apart.
//
// Started by hand, none of it does anything.
package service
