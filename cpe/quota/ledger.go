package quota

import (
	"context"
	"sync"
	"time"

	"tandem/cpe/config"
	"tandem/shared/logline"
)

// Ledger counts. Make one with [New], then let Run run.
type Ledger struct {
	Log *logline.Logger
	// Folder is where counts are kept. It may be flash.
	Folder string
	// Now returns the time, and whether it is known to be right.
	Now func() (t time.Time, sure bool)
	// Changed is called, from Run's goroutine, when a line's quota is reached, or
	// is not any more.
	Changed func()

	boot string
	wake chan struct{}

	mu       sync.Mutex
	lines    map[string]config.WAN // those with a quota
	records  map[string]*record
	saved    map[string]record
	savedAt  time.Time
	reached  map[string]bool // as Changed was last told
	warned   map[string]bool
	replaced bool // a device was, since the last save
}

// New reads what was kept in the folder.
func New(log *logline.Logger, folder string) *Ledger {
	l := &Ledger{
		Log: log, Folder: folder, Now: func() (time.Time, bool) { return time.Now(), true }, Changed: func() {},
		boot: bootID(), wake: make(chan struct{}, 1),
		records: map[string]*record{}, saved: map[string]record{}, reached: map[string]bool{}, warned: map[string]bool{},
	}
	kept, err := load(folder)
	if err != nil {
		log.Warn("quotas are counted from zero", "err", err)
	}
	for _, r := range kept {
		l.records[r.Name] = &r
		l.saved[r.Name] = r
	}
	return l
}

// Configure takes the lines of a configuration. The count of a line that has no
// quota any more is forgotten; that of a line which is not used stays.
func (l *Ledger) Configure(wans []config.WAN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = map[string]config.WAN{}
	for _, w := range wans {
		if w.Quota > 0 {
			l.lines[w.Name] = w
		} else {
			delete(l.records, w.Name)
		}
	}
	l.poke()
}

// Book takes the counter of a line's device: bytes in both directions since the
// device was made.
func (l *Ledger) Book(name, device string, index int, counter uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.lines[name]
	if !ok {
		return
	}
	r := l.records[name]
	if r == nil {
		r = &record{Name: name, Boot: l.boot, Device: device, Index: index, Counter: counter}
		l.records[name] = r
	}
	switch {
	case r.Device != device: // another one by the configuration: nothing is known of its past
		l.replaced = true
	case r.Boot == l.boot && r.Index == index && counter >= r.Counter:
		r.Used += counter - r.Counter
	default: // the router has booted, or the device was made anew: it began at zero
		r.Used += counter
		l.replaced = true
	}
	r.Boot, r.Device, r.Index, r.Counter = l.boot, device, index, counter
	if l.mind(w, r) {
		l.poke()
	}
}

// mind tells whether Run has something to do about a line. It is called with mu
// held.
func (l *Ledger) mind(w config.WAN, r *record) bool {
	reached, warned := r.Used >= w.Quota, r.Used >= warningAt(w)
	return reached != l.reached[w.Name] || warned != l.warned[w.Name] || l.due(w, r)
}

// A record goes to flash when a hundredth of its quota was used since, once an
// hour when a thousandth was, ten minutes after a device was replaced, and
// when it is new.
const (
	often  = 10 * time.Minute
	seldom = time.Hour
)

func (l *Ledger) due(w config.WAN, r *record) bool {
	before, ok := l.saved[w.Name]
	since := r.Used - min(before.Used, r.Used)
	age := time.Since(l.savedAt)
	return !ok || before.Resets != r.Resets || since >= w.Quota/100 ||
		since >= w.Quota/1000 && age >= seldom || l.replaced && age >= often
}

func (l *Ledger) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run keeps the counts until ctx ends, and then once more. A power cut costs at
// most a hundredth of a quota.
func (l *Ledger) Run(ctx context.Context) error {
	for {
		l.settle()
		var later <-chan time.Time
		if l.counts() {
			later = time.After(time.Minute) // the day of the reset, and what is due by its age
		}
		select {
		case <-ctx.Done():
			l.write()
			return nil
		case <-l.wake:
		case <-later:
		}
	}
}

// counts tells whether any line has a quota.
func (l *Ledger) counts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines) > 0
}

// settle does what has become due, and tells of it.
func (l *Ledger) settle() {
	now, sure := l.Now()
	changed := false
	l.mu.Lock()
	write := false
	for name, w := range l.lines {
		r := l.records[name]
		if r == nil {
			continue
		}
		if r.settle(now, sure, w.ResetDay) {
			l.Log.Info("quota starts anew", "wan", name, "resets", r.Resets)
		}
		reached, warned := r.Used >= w.Quota, r.Used >= warningAt(w)
		if warned && !l.warned[name] && !reached {
			l.Log.Warn("quota is nearly used up", "wan", name, "used_bytes", r.Used, "quota_bytes", w.Quota)
		}
		if reached && !l.reached[name] {
			l.Log.Warn("quota is used up", "wan", name, "used_bytes", r.Used, "quota_bytes", w.Quota, "action", w.QuotaAction, "resets", r.Resets)
		}
		changed = changed || reached != l.reached[name]
		write = write || l.due(w, r) || reached != l.reached[name]
		l.reached[name], l.warned[name] = reached, warned
	}
	for name := range l.reached {
		if _, ok := l.lines[name]; !ok {
			changed = changed || l.reached[name]
			delete(l.reached, name)
			delete(l.warned, name)
		}
	}
	l.mu.Unlock()
	if write {
		l.write()
	}
	if changed {
		l.Changed()
	}
}

// write saves all records if one differs from what is saved.
func (l *Ledger) write() {
	l.mu.Lock()
	var all []record
	same := len(l.saved) == len(l.records)
	for name, r := range l.records {
		all = append(all, *r)
		same = same && l.saved[name] == *r
	}
	l.replaced = false
	if !same {
		l.savedAt, l.saved = time.Now(), map[string]record{}
		for _, r := range all {
			l.saved[r.Name] = r
		}
	}
	l.mu.Unlock() // nobody waits for the flash
	if same {
		return
	}
	if err := save(l.Folder, all); err != nil {
		l.Log.Warn("quotas are not kept over a restart", "err", err)
	}
}

// warningAt is the use from which a line's quota is nearly used up.
func warningAt(w config.WAN) uint64 { return w.Quota / 100 * uint64(w.QuotaWarning) }

// Use is how much of a line's quota is used.
type Use struct {
	Used   uint64
	Resets string // date of the next reset; empty while the clock is not known to be right
	State  string // ok, warning, reached
}

// Use returns that of a line with a quota.
func (l *Ledger) Use(w config.WAN) Use {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := Use{State: "ok"}
	r := l.records[w.Name]
	if r == nil {
		return u
	}
	u.Used, u.Resets = r.Used, r.Resets.String()
	switch {
	case r.Used >= w.Quota:
		u.State = "reached"
	case r.Used >= warningAt(w):
		u.State = "warning"
	}
	return u
}

// Reached tells whether a line has used up its quota, and when that ends.
func (l *Ledger) Reached(name string) (resets string, reached bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.lines[name]
	r := l.records[name]
	if !ok || r == nil || r.Used < w.Quota {
		return "", false
	}
	return r.Resets.String(), true
}
