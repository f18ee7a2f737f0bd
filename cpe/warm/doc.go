// Package warm keeps connections to a concentrator that were made before
// anybody needs them: connected, authenticated, their further subflows joined.
// A flow that gets one has its first byte after one round trip to the
// concentrator and two from there to the server, where a direct connection
// needs two to the server.
//
// How many there are follows how many flows come at a time (demand.go). How
// fast they are replaced, and when it is better to wait, is in pace.go. Both
// are arithmetic on times they are given. pool.go keeps the connections; while
// they are parked they cost no goroutine, no buffer and no wake-up.
package warm
