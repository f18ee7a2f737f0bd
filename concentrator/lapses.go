package main

import (
	"hash/maphash"
	"sync/atomic"

	"tandem/shared/credential"
)

// lapses are requests that bear a client's tag and are turned down all the same:
// its clock was off, or one of their copies came late. Each is forgiven once. A
// client signs for every connection anew, or counts the copy, so whoever sends
// the same bytes again has seen them on a wire, and is a stranger.
//
// A place that another request has taken in the meantime forgives once more:
// that costs its sender a key's requests by the thousand, and makes it as dear
// as the client, no dearer.
type lapses struct {
	seed   maphash.Seed
	places [4096]atomic.Uint64
}

func newLapses() *lapses { return &lapses{seed: maphash.MakeSeed()} }

// forgive tells whether it is the first time that the request is turned down.
// It takes no lock and allocates nothing.
func (l *lapses) forgive(proof credential.Result) bool {
	if proof.Key == nil {
		return false
	}
	id := proof.Key.ID()
	var b [len(id) + len(proof.Nonce) + 1]byte
	n := copy(b[:], id[:])
	n += copy(b[n:], proof.Nonce[:])
	b[n] = byte(proof.Copy)
	print := maphash.Bytes(l.seed, b[:])
	return l.places[print%uint64(len(l.places))].Swap(print) != print
}
