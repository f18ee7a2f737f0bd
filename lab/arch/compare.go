package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// What a weak router feels: the processor time that tandem-cpe takes to receive
// over MPTCP, beside that of a plain relay (copy) on the same guest, by turns.

// slowness makes a guest as slow as a router and its clock one that counts
// instructions, so that what else this machine does costs the guest no time. A
// nil slowness leaves it as it is.
type slowness struct {
	shift int    // an instruction takes 2^shift ns
	mbit  [2]int // rates of dsl and lte towards the guest
}

// plainNear is where the plain relay listens in the guest, and plainFar where the
// server does for it, over MPTCP and without a concentrator in between.
const plainNear, plainFar = guestAddress + ":8080", concentratorAddress + ":8080"

// machine is what QEMU is told of it.
func (s *slowness) machine() []string {
	if s == nil {
		return nil
	}
	return []string{"-icount", fmt.Sprintf("shift=%d", s.shift), "-rtc", "clock=vm", "-smp", "1"}
}

// device has a network device hand over packets of the size they have on a wire,
// as a router's does.
func (s *slowness) device() string {
	if s == nil {
		return ""
	}
	return ",guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,mrg_rxbuf=off"
}

// comparison is what it showed.
type comparison struct {
	Arch      string  `json:"arch"`
	Kernel    string  `json:"kernel"`
	Shift     int     `json:"ns_per_instruction_log2"`
	Mbit      [2]int  `json:"lines_mbit"`
	Bytes     int64   `json:"bytes_a_round"`
	Tandem    []share `json:"tandem"` // a round each
	Copy      []share `json:"copy"`
	CPURatio  float64 `json:"cpu_ratio"`  // of the medians
	BusyRatio float64 `json:"busy_ratio"` // the same of the whole machine's time
}

// share is what a download took.
type share struct {
	Seconds   float64 `json:"seconds"` // by this machine's clock
	CPU       float64 `json:"cpu_s_per_gb"`
	User      float64 `json:"user_s_per_gb"` // of it, outside of the kernel
	Waits     float64 `json:"waits_per_mb"`  // of the process's threads
	Busy      float64 `json:"busy_s_per_gb"` // all that the guest did
	Saturated float64 `json:"cpu_share"`     // of the guest's one processor, all told
	Lesser    float64 `json:"lesser_share"`  // of the line that carried less
}

func (c *comparison) String() string {
	of := func(all []share, f func(share) float64) float64 {
		var v []float64
		for _, s := range all {
			v = append(v, f(s))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	cpu, busy := func(s share) float64 { return s.CPU }, func(s share) float64 { return s.Busy }
	c.CPURatio = of(c.Tandem, cpu) / of(c.Copy, cpu)
	c.BusyRatio = of(c.Tandem, busy) / of(c.Copy, busy)
	text := fmt.Sprintf("%s, Linux %s, %d ns an instruction, %d + %d Mbit/s, %d MiB a round, n = %d:\n", c.Arch, c.Kernel, 1<<c.Shift, c.Mbit[0], c.Mbit[1], c.Bytes>>20, len(c.Tandem))
	for _, r := range []struct {
		name string
		all  []share
	}{{"tandem-cpe", c.Tandem}, {"plain copy", c.Copy}} {
		text += fmt.Sprintf("  %s: %.1f s/GB (%.1f of it outside of the kernel), %.0f waits a MB; the whole machine %.1f s/GB, busy for %.0f %% of the time; the lesser line has %.0f %%\n", r.name,
			of(r.all, cpu), of(r.all, func(s share) float64 { return s.User }), of(r.all, func(s share) float64 { return s.Waits }), of(r.all, busy), 100*of(r.all, func(s share) float64 { return s.Saturated }), 100*of(r.all, func(s share) float64 { return s.Lesser }))
	}
	text += fmt.Sprintf("  ratio %.2f, of the whole machine %.2f", c.CPURatio, c.BusyRatio)
	if of(c.Copy, func(s share) float64 { return s.Saturated }) > 0.9 {
		text += " (saturated: a guest that is always busy finds more at each look than a router does; let its lines be slower, or this machine have less to do)"
	}
	return text
}

// compare measures rounds downloads through each.
func compare(ctx context.Context, arch, cache string, size int64, rounds int, slow *slowness) (c comparison, err error) {
	c = comparison{Arch: arch, Shift: slow.shift, Mbit: slow.mbit, Bytes: size}
	n, err := newNetwork()
	defer n.close()
	if err != nil {
		return c, err
	}
	if err := n.limit(slow.mbit); err != nil {
		return c, err
	}
	if err := n.serve(farSpace, plainFar); err != nil {
		return c, err
	}
	g, err := boot(ctx, n, arch, cache, slow)
	if err != nil {
		return c, err
	}
	defer g.close()
	c.Kernel = g.kernel
	if err := n.awaitUp(ctx, g.ended); err != nil {
		return c, fmt.Errorf("%w; the guest said:\n%s", err, g.said())
	}
	if answer, err := n.ask("copy " + plainNear + " " + plainFar); err != nil || answer != "started\n" {
		return c, fmt.Errorf("start the plain relay: %q, %w", answer, err)
	}
	for round := range rounds + 1 {
		for i := range 2 {
			which := (round + i) % 2
			s, err := n.share(ctx, which, []string{server, plainNear}[which], size)
			if err != nil {
				return c, fmt.Errorf("%w; the guest said:\n%s", err, g.said())
			}
			switch {
			case round == 0: // finds rates and fills caches
			case which == 0:
				c.Tandem = append(c.Tandem, s)
			default:
				c.Copy = append(c.Copy, s)
			}
		}
	}
	return c, g.stop(ctx)
}

// share measures one download, through the daemon (0) or the plain relay (1).
func (n *network) share(ctx context.Context, which int, to string, size int64) (s share, err error) {
	lines := n.carried()
	before, err := n.cpu()
	if err != nil {
		return s, err
	}
	took, _, err := n.moveVia(ctx, to, down, size, nil)
	if err != nil {
		return s, err
	}
	after, err := n.cpu()
	if err != nil {
		return s, err
	}
	gb := float64(size) / 1e9
	elapsed := after.up - before.up
	busy := elapsed - (after.idle - before.idle)
	a, b := before.of[which], after.of[which]
	s = share{Seconds: took.Seconds(), CPU: (b.user + b.system - a.user - a.system) / gb, User: (b.user - a.user) / gb,
		Waits: float64(b.waits-a.waits) / gb / 1000, Busy: busy / gb, Saturated: busy / elapsed}
	now := n.carried()
	dsl, lte := float64(now[0]-lines[0]), float64(now[1]-lines[1])
	s.Lesser = min(dsl, lte) / (dsl + lte)
	if s.CPU == 0 {
		return s, errors.New("the relay that was to be measured has carried nothing")
	}
	return s, nil
}

// guestTime is what the guest says of its time, in seconds.
type guestTime struct {
	of       [2]usage // the daemon's and the plain relay's
	up, idle float64
}

type usage struct {
	user, system float64
	waits        int
}

func (n *network) cpu() (t guestTime, err error) {
	text, err := n.ask("cpu")
	if err != nil {
		return t, err
	}
	if _, err := fmt.Sscan(text, &t.of[0].user, &t.of[0].system, &t.of[0].waits, &t.of[1].user, &t.of[1].system, &t.of[1].waits, &t.up, &t.idle); err != nil {
		return t, fmt.Errorf("processor time %q: %w", text, err)
	}
	return t, nil
}

// limit gives the lines rates towards the guest, a packet at a time.
func (n *network) limit(mbit [2]int) error {
	for i, line := range []string{"dsl", "lte"} {
		err := command("tc", "-n", farSpace, "qdisc", "add", "dev", line, "root", "tbf",
			"rate", fmt.Sprintf("%dmbit", mbit[i]), "burst", "3200", "latency", "40ms")
		if err != nil {
			return err
		}
	}
	return nil
}
