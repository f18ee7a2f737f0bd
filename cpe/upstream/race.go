package upstream

import (
	"context"
	"errors"
	"slices"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
	"tandem/shared/nocmp"
	"tandem/shared/relay"
)

// raceAfter is how long a line has to answer a SYN before another one is asked
// too. Generous: over a metered line a needless SYN costs money, and a line
// that is known to be dead is not asked at all.
func (a *Attempt) raceAfter() time.Duration {
	return max(300*time.Millisecond, 3*a.converter.roundTrip(a.Line))
}

// spares tells whether a mode leaves a line alone until it is needed. A SYN that
// got lost is no need: it is sent once more over the line where it was lost.
func spares(mode config.Mode, line uplink.WAN) bool {
	return mode == config.Failover || mode == config.Overflow || mode == config.LowestDelay && line.Metered
}

// finish is how one connection of a race came in.
type finish struct {
	_       nocmp.Field
	entrant int
	conn    *relay.Socket
	err     error
}

// errNotBegun is how those come in that were not needed.
var errNotBegun = errors.New("not begun")

// race connects over the planned line and, if that does not answer in good
// time, over the next best one as well. The first to answer is taken, and a
// then says which line it is. Request goes in the SYN over the planned line only.
func (a *Attempt) race(ctx context.Context, until time.Time, request []byte) (*relay.Socket, error) {
	started := time.Now()
	planned, err := a.converter.Engine.Begin(ctx, &a.dialer, a.to, request)
	if err != nil {
		return nil, err
	}
	patient := started.Add(a.raceAfter())
	if patient.After(until) {
		patient = until
	}
	if request != nil && a.answersEarly(planned, request, patient) {
		return planned.Socket(), nil
	}
	if over, _ := planned.Connected(ctx, time.Until(patient)); over {
		return a.finish(ctx, planned, started)
	}
	ctx, cancel := context.WithDeadline(ctx, until) // few come here
	defer cancel()
	next, ok := uplink.Next(a.converter.lines(), a.to.Addr(), a.Mode, a.Line.Name)
	if !ok || request != nil && a.converter.signer == nil { // which could not be sent twice
		return a.finish(ctx, planned, started)
	}
	entrants := []*Attempt{a, a.beside(next)}
	if spares(a.Mode, next) {
		entrants = []*Attempt{a, a.beside(a.Line), a.beside(next)}
	}
	n := len(entrants)
	giveUp, timers := make([]context.CancelFunc, n), make([]*time.Timer, n)
	finishes := make(chan finish, n)
	for i, e := range entrants {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		giveUp[i] = cancel
		// The time of the second one has come.
		timers[i] = time.AfterFunc(time.Duration(i-1)*a.raceAfter(), func() {
			var f finish
			if f.entrant = i; i == 0 {
				f.conn, f.err = a.finish(ctx, planned, started)
			} else {
				f.conn, f.err = e.dial(ctx, nil)
			}
			finishes <- f
		})
	}
	// Until one has answered, or the planned one has failed.
	came := make([]*finish, n)
	for decided := false; !decided; {
		f := <-finishes
		came[f.entrant] = &f
		decided = f.err == nil || f.entrant == 0
	}
	for i, t := range timers {
		if t.Stop() {
			came[i] = &finish{entrant: i, err: errNotBegun}
		}
	}
	for missing := true; missing; {
		missing = false
		won := slices.ContainsFunc(came, func(f *finish) bool { return f != nil && f.err == nil })
		for i, f := range came {
			if f == nil {
				missing = true
				if won {
					giveUp[i]()
				}
			}
		}
		if missing {
			f := <-finishes
			came[f.entrant] = &f
		}
	}
	best := slices.IndexFunc(came, func(f *finish) bool { return f.err == nil })
	if best < 0 {
		return nil, came[0].err
	}
	for _, f := range came[best+1:] {
		if f.err == nil {
			_ = f.conn.Reset()
		}
	}
	if best > 0 {
		if best == n-1 {
			a.converter.suspect(a.Line.Name)
		}
		a.Line, a.dialer = entrants[best].Line, entrants[best].dialer
		a.SynData, a.strayed = false, a.strayed || a.SynData
	}
	return came[best].conn, nil
}

// beside is a connection over a line without anything in its SYN.
func (a *Attempt) beside(line uplink.WAN) *Attempt {
	b := a.converter.over(line, a.to, Plain)
	b.Mode = a.Mode
	return b
}

func (a *Attempt) dial(ctx context.Context, request []byte) (*relay.Socket, error) {
	started := time.Now()
	begun, err := a.converter.Engine.Begin(ctx, &a.dialer, a.to, request)
	if err != nil {
		return nil, err
	}
	return a.finish(ctx, begun, started)
}

func (a *Attempt) finish(ctx context.Context, begun *relay.Dialling, started time.Time) (*relay.Socket, error) {
	conn, err := begun.Finish(ctx)
	if err == nil {
		a.converter.shookHands(a.Line.Name, time.Since(started))
	}
	return conn, err
}

// suspect tells the lines' watch that one did not answer.
func (c *Converter) suspect(line string) {
	if c.Suspect != nil {
		c.Suspect(line)
	}
}
