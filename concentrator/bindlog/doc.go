// Package bindlog answers "who used this external address and port at that
// time?", as RFC 6888 section 4 asks of those who share addresses.
//
// Reading order: book.go (one dial from port to record), ports.go (which port
// a client gets), pool.go (the lists behind it), kept.go (over a restart),
// range_linux.go (what the kernel must be told), log.go and queue.go (records).
//
// A port that a client has let go is not given to another for 120 s (REQ-8);
// destinations are not recorded unless asked for (REQ-12).
//
// Ports are chosen here and the kernel is told by IP_LOCAL_PORT_RANGE (Linux
// 6.3). Other ways, tried on Linux 6.18:
//
//   - The kernel chooses; if the port is another client's, close and retry.
//     Each retry is a SYN that the server has seen, from a port that is
//     another's. With 28,232 ports and 500 flows a second of 10 s each, that
//     is 3 SYNs a flow for 3 clients, 44 for 50 and 378 for 500.
//   - bind(2) with the port and SO_REUSEADDR. That works, but no socket whose
//     port the kernel chooses can have the port then, those of other programs
//     included. A range of one port leaves it to them.
//
// All three cost the same within what can be measured: 20 to 24 µs for socket,
// connect and close on two cores, Pick and Release included.
package bindlog
