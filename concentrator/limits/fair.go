package limits

import "sync/atomic"

// share is something of which all clients have max together: connections, or
// connections in set-up.
//
// A client that has h of it gets one more while h < greed × what is free (the
// dynamic thresholds of Choudhury and Hahne, 1998). So one client alone gets
// up to greed/(greed+1) of all, n greedy ones get equal parts, and something
// is always free for those who have less: the greedy are refused first. It
// needs no list of who is active.
type share struct {
	max  atomic.Int64
	used atomic.Int64
	_    [48]byte // a cache line of its own
}

// greed trades what a client alone can get (8/9) for what stays free for
// others (a part in 8n+1 beside n greedy clients).
const greed = 8

// take takes one for a client that has had of it so far. There are never
// more than max out.
func (s *share) take(had int64) bool {
	limit := s.max.Load()
	free := limit - s.used.Add(1) + 1
	if free <= 0 || had >= greed*free {
		s.used.Add(-1)
		return false
	}
	return true
}

func (s *share) give() { s.used.Add(-1) }
