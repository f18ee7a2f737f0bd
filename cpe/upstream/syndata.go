package upstream

import (
	"sync"
	"time"

	"tandem/cpe/warm"
	"tandem/shared/nocmp"
)

// synData remembers per line, address of ours and of the converter's whether data in the SYN gets through.
//
// A SYN whose data is not acknowledged costs MPTCP for the life of that
// connection (Linux 6.12 to 7.3: MPCapableDataFallback), so a miss is not
// taken lightly: the next connections of that line go without, and it is tried
// again after a back-off that doubles.
type synData struct {
	mu    sync.Mutex
	lines map[warm.Route]*lineSynData

	tried, acked, fellBack int64
	now                    func() time.Time
}

type lineSynData struct {
	_      nocmp.Field
	taken  bool // at least once, and since the last miss
	misses int  // in a row
	missed time.Time
	again  time.Time
}

const (
	synDataBackOff    = time.Minute
	synDataBackOffMax = time.Hour
)

func newSynData() *synData {
	return &synData{lines: make(map[warm.Route]*lineSynData), now: time.Now}
}

func (s *synData) allowed(line warm.Route) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[line]
	if l == nil || l.misses == 0 {
		return true
	}
	now := s.now()
	if now.Before(l.again) {
		return false
	}
	// One connection finds out; the others wait for what it learns.
	l.again = now.Add(synDataBackOff)
	return true
}

// line is called with mu held.
func (s *synData) line(r warm.Route) *lineSynData {
	l := s.lines[r]
	if l == nil {
		l = new(lineSynData)
		s.lines[r] = l
	}
	return l
}

// proven tells whether data in the SYN was taken there, the last time it was
// tried.
func (s *synData) proven(r warm.Route) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[r]
	return l != nil && l.taken
}

// wantsProbe tells whether somebody should find out, and leaves it to the
// caller for a while.
func (s *synData) wantsProbe(r warm.Route) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(r)
	now := s.now()
	if l.taken || now.Before(l.again) {
		return false
	}
	l.again = now.Add(synDataBackOff)
	return true
}

// revoke gives up what was known: data that was acknowledged is thrown away.
func (s *synData) revoke() (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, l := range s.lines {
		changed = changed || l.taken
		l.taken = false
		l.misses++
		l.missed, l.again = now, now.Add(min(synDataBackOff<<min(l.misses-1, 10), synDataBackOffMax))
	}
	return changed
}

func (s *synData) learn(line warm.Route, acked, isMPTCP bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried++
	if acked {
		s.acked++
	}
	// A SYN+ACK that was lost leaves data acknowledged and MPTCP gone: that is
	// no success.
	taken := acked && isMPTCP
	if !isMPTCP {
		s.fellBack++
	}
	l := s.line(line)
	if taken {
		changed = l.misses > 0
		l.misses, l.taken = 0, true
		return changed
	}
	l.taken = false
	now := s.now()
	if l.misses > 0 && now.Sub(l.missed) < synDataBackOff/2 {
		return false // begun before the first miss was known: the same news
	}
	changed = l.misses == 0
	l.misses++
	l.missed = now
	l.again = now.Add(min(synDataBackOff<<min(l.misses-1, 10), synDataBackOffMax))
	return changed
}

func (c *Converter) learnSynData(line warm.Route, acked, isMPTCP bool) {
	if !c.synData.learn(line, acked, isMPTCP) {
		return
	}
	if acked && isMPTCP {
		c.log.Info("data in the SYN gets through again", "wan", line.Line)
	} else {
		c.log.Warn("data in the SYN was not taken: not sent on this line for a while", "wan", line.Line, "still_mptcp", isMPTCP)
	}
}

// SynDataCounters is how data in the SYN fared.
type SynDataCounters struct {
	Tried    int64 `json:"tried"`
	Acked    int64 `json:"acked"`
	FellBack int64 `json:"fell_back_to_tcp"`
}

// SynData returns the counters since start.
func (c *Converter) SynData() SynDataCounters {
	s := c.synData
	s.mu.Lock()
	defer s.mu.Unlock()
	return SynDataCounters{s.tried, s.acked, s.fellBack}
}
