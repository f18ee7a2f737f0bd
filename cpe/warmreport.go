package main

import "tandem/shared/nocmp"

// warmReport is about connections made in advance.
type warmReport struct {
	_        nocmp.Field
	Ready    int     `json:"ready"`
	Opening  int     `json:"opening"`
	Wanted   int     `json:"wanted"`
	LifeS    int     `json:"life_s"` // after which one is replaced
	Hits     int64   `json:"hits"`
	Misses   int64   `json:"misses"`
	HitRatio float64 `json:"hit_ratio"`
	Made     int64   `json:"made"`
	Failed   int64   `json:"failed"`
	Lost     int64   `json:"lost"`     // closed by the concentrator while parked
	Stale    int64   `json:"stale"`    // forgotten by something on the way
	Shed     int64   `json:"shed"`     // times the concentrator wanted fewer
	Repaired int64   `json:"repaired"` // requests answered on another connection
	Taken    int64   `json:"taken"`    // not repaired: the request had been taken
}

// warmReportOf returns nil where none are made in advance.
func warmReportOf(c *concentrator) *warmReport {
	s, ok := c.Pool()
	if !ok {
		return nil
	}
	r := c.Repairs()
	w := &warmReport{
		Ready: s.Ready, Opening: s.Opening, Wanted: s.Wanted, LifeS: int(s.Life.Seconds()),
		Hits: s.Hits, Misses: s.Misses, Made: s.Made, Failed: s.Failed, Lost: s.Lost, Stale: s.Stale, Shed: s.Shed,
		Repaired: r.Made, Taken: r.Taken,
	}
	if n := s.Hits + s.Misses; n > 0 {
		w.HitRatio = float64(s.Hits) / float64(n)
	}
	return w
}
