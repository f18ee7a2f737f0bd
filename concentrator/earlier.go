package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"tandem/concentrator/limits"
	"tandem/shared/control"
)

// Processes that have handed over and still have connections answer on control
// sockets of their own, beside that of the daemon.

func earlierSocket(path string, pid int) string { return path + "." + strconv.Itoa(pid) }

// earlierReport is what status says of such a process.
type earlierReport struct {
	PID  int `json:"pid"`
	Open int `json:"open"`
}

// earlier asks all of them. A socket that one left which was killed is removed.
func (d *concentrator) earlier() (all []earlierReport) {
	paths, _ := filepath.Glob(d.server.settings.Load().config.Control + ".[0-9]*")
	for _, path := range paths {
		r, err := control.Ask[report](path, "status")
		switch {
		case err == nil:
			all = append(all, earlierReport{r.PID, r.Open})
		case errors.Is(err, control.ErrNotRunning):
			os.Remove(path)
		default:
			d.log.Warn("an earlier process does not answer", "socket", path, "err", err)
		}
	}
	return all
}

// tellEarlier makes them read the clients again: who is removed or disabled
// loses the connections there too.
func (d *concentrator) tellEarlier() (err error) {
	for _, e := range d.earlier() {
		if _, oneErr := control.Call(earlierSocket(d.server.settings.Load().config.Control, e.PID), "reload-clients"); oneErr != nil {
			err = errors.Join(err, fmt.Errorf("process %d, which drains: %w", e.PID, oneErr))
		}
	}
	return err
}

// followEarlier waits until no earlier process has connections: then their
// ports are free.
func (d *concentrator) followEarlier(ctx context.Context) error {
	const every = 5 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !d.alone.Load() {
		open := 0
		all := d.earlier()
		for _, e := range all {
			open += e.Open
		}
		d.earlierOpen.Store(int64(open))
		if len(all) == 0 {
			d.server.ports.Returned()
			if d.server.returns.Err() != nil {
				_ = cleanup() // what only they needed
			}
			d.alone.Store(true)
			d.log.Info("connections of earlier processes have ended")
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	<-ctx.Done()
	return nil
}

// passVolumesOn tells the daemon what clients move here beyond what it has read
// from the file, until ctx ends and once more then.
func (d *concentrator) passVolumesOn(ctx context.Context) error {
	const every = 10 * time.Second
	path := d.server.settings.Load().config.Control
	told := make(map[string]limits.Volume)
	maps.Copy(told, d.usage.Saved) // which may be nil
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ending := false; !ending; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ending = true
		}
		for _, c := range d.server.admission.All() {
			name := c.Name()
			is, before := c.Volume(time.Now()), told[name]
			if !is.Start.Equal(before.Start) { // another month
				before = limits.Volume{}
			}
			up, down := is.Up-before.Up, is.Down-before.Down
			if up == 0 && down == 0 {
				continue
			}
			if _, err := control.Call(path, "moved", name, fmt.Sprint(up), fmt.Sprint(down)); err == nil {
				told[name] = is
			} else if ending { // else it is told the next time
				d.log.Error("volumes of connections here are lost", "client", name, "bytes", up+down, "err", err)
			}
		}
	}
	return nil
}

// moved is what an earlier process tells.
func (d *concentrator) moved(args []string) (any, error) {
	if len(args) != 3 {
		return nil, errors.New("moved needs a client, bytes up and bytes down")
	}
	up, err := strconv.ParseUint(args[1], 10, 62)
	if err != nil {
		return nil, err
	}
	down, err := strconv.ParseUint(args[2], 10, 62)
	if err != nil {
		return nil, err
	}
	d.server.admission.Client(args[0]).Add(int64(up), int64(down), time.Now())
	return struct{}{}, nil
}
