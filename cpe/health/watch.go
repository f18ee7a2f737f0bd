// Package health finds out whether packets come back from the access lines. A
// device tells of a lost carrier; of a network behind it that swallows packets
// it knows nothing.
//
// Looking costs nothing while a line works: the kernel's counters show packets
// coming in. When they stop all of a sudden, when a connection found no answer,
// and now and then on an idle line, a TCP handshake with the concentrator is
// tried over it (probe.go). A line is dead when that fails there but works
// over another line; when it works nowhere, the concentrator is what is gone,
// and that is not the lines' fault.
//
// Read watch.go (when to ask), line.go (one line's record), probe.go (asking).
package health

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tandem/cpe/uplink"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

// Watch is the watch over all lines.
type Watch struct {
	Log   *logline.Logger
	Lines Lines
	// Targets returns the concentrators' addresses, the preferred one first.
	Targets func() []netip.AddrPort
	Mark    uint32
	Engine  *relay.Engine // waits for handshakes
	// Started returns a channel that is closed as soon as flows are carried.
	Started func() <-chan struct{}
	// Budget bounds what metered lines pay; nil: nothing does.
	Budget *Budget
	// Compares, if set, tells whether somebody compares the lines' delays now.
	Compares func() bool

	// dial, if set, shakes hands in place of Engine.
	dial func(context.Context, *mptcp.Dialer, netip.AddrPort) error

	mu    sync.Mutex
	lines map[string]*line
	works bool // a line did, at the last look
	wg    sync.WaitGroup
}

// Lines are the access lines: an [uplink.Tracker].
type Lines interface {
	WANs() []uplink.WAN
	// Sample reads the lines' counters, which Counters then returns.
	Sample() []uplink.WAN
	Counters(line string) uplink.Counters
	Suspects() <-chan string
	Declare(line, dead string)
	Delay(line string, rtt time.Duration)
}

const (
	// busyTick is how often counters are read while something moves, and
	// idleTick while nothing does. Without flows the kernel's events are what
	// tells of a carrier, within a second, and nobody looks before a line is due
	// to be asked, or after restTick where others' traffic is to be counted.
	busyTick = 50 * time.Millisecond
	idleTick = 500 * time.Millisecond
	restTick = 10 * time.Second
)

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	defer w.wg.Wait()
	w.lines = make(map[string]*line)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var started <-chan struct{} // while at rest
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-started:
			started = nil
		case name := <-w.Lines.Suspects():
			w.suspect(ctx, name)
			timer.Reset(busyTick) // what comes of it
			continue
		case <-timer.C:
		}
		again := w.look(ctx)
		if again >= restTick {
			started = w.Started()
		}
		timer.Reset(again)
	}
}

// look reads all counters, asks where that is due, and returns when to look
// again.
func (w *Watch) look(ctx context.Context) (again time.Duration) {
	wans := w.Lines.Sample()
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	again = restMost
	select {
	case <-w.Started():
		again = idleTick
	default:
	}
	worked := w.works
	w.works = slices.ContainsFunc(wans, func(wan uplink.WAN) bool { return wan.Up })
	for _, wan := range wans {
		l := w.line(wan)
		l.see(now, wan, w.Lines.Counters(wan.Name))
		if worked && !w.works {
			l.since = now // its return is urgent from now on
		}
		switch {
		case l.busy():
			again = busyTick
		case !l.up && l.present: // it is asked often
			again = min(again, l.deadRest(now))
		}
	}
	if len(w.Targets()) == 0 {
		return again
	}
	compared := w.Compares != nil && w.Compares()
	for _, wan := range wans {
		l := w.line(wan)
		if compared && wan.Present && !wan.Metered && !l.settled() {
			again = min(again, oddProbe)
		}
		if l.due(now, w.moved(wan.Name), compared) {
			w.ask(ctx, l, wan)
			again = busyTick
		}
		again = min(again, max(restTick, l.rest(now, compared)))
	}
	return again
}

// moved is when something last came in over any line but the one named.
func (w *Watch) moved(but string) (last time.Time) {
	for name, l := range w.lines {
		if name != but && l.moving.After(last) {
			last = l.moving
		}
	}
	return last
}

// line returns the record of a line.
func (w *Watch) line(wan uplink.WAN) *line {
	l := w.lines[wan.Name]
	if l == nil {
		l = &line{name: wan.Name, budget: w.Budget}
		w.lines[wan.Name] = l
	}
	return l
}

// suspect asks a line that did not answer to somebody else.
func (w *Watch) suspect(ctx context.Context, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, wan := range w.Lines.WANs() {
		if wan.Name == name && wan.Up {
			if l := w.line(wan); !l.asking && w.Budget.Need(wan, probeBytes) {
				w.ask(ctx, l, wan)
			}
		}
	}
}

// ask begins a probe unless one is under way. It is called with mu held.
func (w *Watch) ask(ctx context.Context, l *line, wan uplink.WAN) {
	targets := w.Targets()
	if l.asking || len(targets) == 0 || !wan.Present {
		return
	}
	l.asking, l.heard = true, false
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		lost := w.judge(ctx, l, wan, targets)
		w.mu.Lock()
		l.asking, l.asked, l.lost = false, time.Now(), lost
		w.mu.Unlock()
	}()
}

// judge asks and books the verdict. It returns whether no line answers.
func (w *Watch) judge(ctx context.Context, l *line, wan uplink.WAN, targets []netip.AddrPort) (lost bool) {
	target, ok := reachable(wan, targets)
	if !ok {
		return false
	}
	if wan.Up {
		// Twice, since a packet may get lost; the second time before the first is
		// given up, with a look at the other lines, which tell whether the
		// concentrator is there.
		patience := l.patience(wan.Delay)
		ask := func() chan bool {
			answer := make(chan bool, 1)
			go func() { answer <- w.answers(ctx, l, wan, target, patience) }()
			return answer
		}
		first := ask()
		select {
		case ok := <-first:
			if ok {
				return false
			}
			first <- ok
		case <-time.After(patience / 2):
		}
		others := make(chan bool, 1)
		go func() { others <- w.othersAnswer(ctx, wan.Name, targets) }()
		second := first
		if w.Budget.Need(wan, probeBytes) {
			second = ask()
		}
		one := <-first
		first <- one // which may be the second, too
		if two := <-second; one || two || ctx.Err() != nil {
			<-others
			return false
		}
		if !<-others {
			return true
		}
		w.Lines.Declare(wan.Name, "no answer from the concentrator over this line, but over another")
		return false
	}
	if w.answers(ctx, l, wan, target, mostPatience) {
		w.Lines.Declare(wan.Name, "")
	}
	return false
}

// othersAnswer tells whether packets come back from any other line. Of a metered
// one that has found no answer lately, or cannot pay, it goes by the last answer.
func (w *Watch) othersAnswer(ctx context.Context, than string, targets []netip.AddrPort) bool {
	answer := make(chan bool)
	any, asked := false, 0
	for _, wan := range w.Lines.WANs() {
		target, ok := reachable(wan, targets)
		if wan.Name == than || !wan.Up || !ok {
			continue
		}
		w.mu.Lock()
		l, moved := w.line(wan), w.moved(wan.Name)
		w.mu.Unlock()
		if wan.Metered {
			answers, holds := l.recalls(time.Now(), moved)
			if holds || !w.Budget.Need(wan, probeBytes) {
				any = any || answers
				continue
			}
		}
		asked++
		go func() { answer <- w.answers(ctx, l, wan, target, l.patience(wan.Delay)) }()
	}
	for range asked {
		any = <-answer || any
	}
	return any
}

// reachable returns the first target that the line has an address for.
func reachable(wan uplink.WAN, targets []netip.AddrPort) (netip.AddrPort, bool) {
	for _, t := range targets {
		if _, ok := wan.Source(t.Addr()); ok {
			return t, true
		}
	}
	return netip.AddrPort{}, false
}
