// Package park keeps connections on which nothing happens. Each costs its
// socket and a few dozen bytes here: no goroutine, no buffer, no timer. One
// goroutine for all of them waits on an epoll set, and nothing runs at all
// until a parked connection becomes readable, which includes that its peer
// closed it.
//
// Who takes a connection out of the set owns it: the one that wants to use it,
// the one that was told it is readable, or the one that ends it. There is
// exactly one.
//
// Read lot_linux.go.
package park
