package relay

import "time"

// stream watches whether a direction streams: many pieces close upon each
// other while nothing goes the other way. Such a direction loses nothing when
// a piece waits a little for the next ones, and its reader is woken less often
// by a factor. Who asks and waits for the answer is never kept waiting, be
// the answer long or short.
type stream struct {
	last   int64 // when a turn ended last
	since  int64 // when the present count began
	bytes  int64 // moved since then
	back   int64 // what the opposite direction had moved by then
	pieces int
}

const (
	// maxNap bounds what a byte of a stream waits in one relay.
	maxNap = time.Millisecond
	// minNap is about what sleeping and waking costs.
	minNap = 200 * time.Microsecond
	// enough is worth a turn.
	enough = 64 << 10
	// little is not worth a nap: what one or two packets bring.
	little = 2000
	// pieces are needed to call it a stream.
	pieces = 8
	// memory is for how long a rate is believed.
	memory = 100 * time.Millisecond
)

// nap is told of a turn that ended and moved so many bytes, and returns how
// long not to look again: 0 means to be woken by the next byte.
func (s *stream) nap(now int64, moved int, back int64) time.Duration {
	gap := now - s.last
	s.last = now
	if moved == 0 || gap > 3*int64(maxNap) || back != s.back {
		*s = stream{last: now, since: now, back: back}
		return 0
	}
	s.pieces++
	s.bytes += int64(moved)
	took := now - s.since
	if s.pieces < pieces || took == 0 {
		return 0
	}
	if took > int64(memory) {
		s.since, s.bytes, took = now-took/2, s.bytes/2, took/2
	}
	if s.bytes*int64(maxNap)/took < little {
		return 0
	}
	nap := min(time.Duration(enough*took/s.bytes), maxNap)
	if nap < minNap {
		return 0
	}
	return nap
}
