package relay

// timer is a pump's place among those that sleep.
type timer struct {
	at int64
	// place is its index in timers, plus 1; 0: not there.
	place int32
}

// timers is a heap of sleeping pumps, the first to wake on top.
type timers []*pump

func (t *timers) add(p *pump, at int64) {
	p.timer.at = at
	*t = append(*t, p)
	p.timer.place = int32(len(*t))
	t.up(len(*t) - 1)
}

// due takes out and returns the first that is to wake by now, or nil.
func (t *timers) due(now int64) *pump {
	if len(*t) == 0 || (*t)[0].timer.at > now {
		return nil
	}
	p := (*t)[0]
	t.remove(p)
	return p
}

func (t *timers) remove(p *pump) {
	i := int(p.timer.place) - 1
	if i < 0 {
		return
	}
	last := len(*t) - 1
	t.swap(i, last)
	(*t)[last] = nil
	*t = (*t)[:last]
	p.timer.place = 0
	if i < last {
		t.down(i)
		t.up(i)
	}
}

func (t timers) swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].timer.place, t[j].timer.place = int32(i)+1, int32(j)+1
}

func (t timers) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if t[parent].timer.at <= t[i].timer.at {
			return
		}
		t.swap(i, parent)
		i = parent
	}
}

func (t timers) down(i int) {
	for {
		child := 2*i + 1
		if child+1 < len(t) && t[child+1].timer.at < t[child].timer.at {
			child++
		}
		if child >= len(t) || t[i].timer.at <= t[child].timer.at {
			return
		}
		t.swap(i, child)
		i = child
	}
}
