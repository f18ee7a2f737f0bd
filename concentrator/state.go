package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"tandem/concentrator/clients"
	"tandem/concentrator/config"
	"tandem/concentrator/connect"
	"tandem/concentrator/limits"
	"tandem/concentrator/source"
	"tandem/shared/credential"
	"tandem/shared/durable"
)

// What is in the state folder.
func clientsFolder(cfg *config.Config) string { return filepath.Join(cfg.State, "clients") }
func noncesFile(folder string) string         { return filepath.Join(folder, "nonces") }

// openState takes over what an earlier run left in the state folder. Only a
// folder that cannot be written is an error; what is missing or broken in it
// costs what it held, and is said.
func (d *concentrator) openState(cfg *config.Config) error {
	s, folder := d.server, cfg.State
	if !d.alone.Load() {
		folder = passedOn(cfg)
		defer os.RemoveAll(folder)
	}
	if err := s.verifier.Restore(noncesFile(folder)); errors.Is(err, fs.ErrNotExist) {
		d.log.Info("no list of used credentials was left by an earlier run: clients are asked for new ones", "cost", "one round trip for each client, once")
	} else if err != nil {
		d.log.Warn("the list of used credentials cannot be taken over: clients are asked for new ones", "err", err)
	}
	d.usage = &limits.Usage{Admission: s.admission, Folder: cfg.State, Log: d.log}
	if err := d.usage.Load(); err != nil {
		d.log.Error("this month's volumes are lost and start at 0", "err", err)
	}
	if err := s.ports.Restore(folder, !d.alone.Load()); err != nil {
		d.log.Warn("which ports were whose is not known any more: one may be another client's sooner than after 120 s", "err", err)
	}
	d.store.Log = d.log
	d.store.OnReload = d.applyClients
	d.store.Prepare = d.prepare
	if err := d.store.Reload(); err != nil {
		return err
	}
	if len(d.store.Clients())+len(cfg.Clients) == 0 && !cfg.OnPath.Enabled {
		d.log.Warn("there are no clients: every connection is refused", "hint", "tandem-concentrator client add NAME")
	}
	return nil
}

func lockFile(state string) string { return filepath.Join(state, ".daemon") }

// lockState makes the state folder ours and keeps a second daemon out of it:
// each would accept what the other has accepted already.
func lockState(path string) (*os.File, error) {
	if err := durable.Make(path); err != nil {
		return nil, fmt.Errorf("state folder: %w; create it, owned by the daemon's user", err)
	}
	lock, err := os.OpenFile(lockFile(path), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("state folder %q: another daemon uses it; stop that one or set another folder", path)
	}
	return lock, nil
}

// prepare makes a client of the store ready for its connections.
func (d *concentrator) prepare(e *clients.Entry) {
	c := e.Client
	e.Prepared = &member{
		name:     c.Name,
		identity: credential.NewIdentity(e.Key.ID, e.Key.Secret),
		limits:   d.server.admission.Client(c.Name),
		where:    d.server.settings.Load().where.For(c.Allow, c.Deny, c.AllowPorts),
		source:   source.Client{Name: c.Name, Mode: c.Source, Prefixes: c.Prefixes},
	}
}

// applyClients sets the limits of all clients, which ports are theirs, and gets
// ready to dial from their addresses.
func (d *concentrator) applyClients(all []*clients.Client) {
	limit := make(map[string]limits.Limits, len(all))
	for _, c := range all {
		limit[c.Name] = c.Limits
	}
	d.server.admission.Apply(limit, time.Now())
	d.server.forwards.Grant(all)
	d.readyToPreserve(all)
}

// reloadStore reads the clients again and ends the connections of those that
// may have none any more.
func (d *concentrator) reloadStore() error {
	if err := d.store.Reload(); err != nil {
		return err
	}
	n := 0
	for _, f := range d.server.engine.Flows() {
		if c, ok := f.Tag().(*member); ok && c.identity != nil && !d.store.Enabled(c.name) {
			f.Abort(errCut)
			n++
		}
	}
	if n > 0 {
		d.log.Info("connections of clients that were disabled or removed are ended", "connections", n)
	}
	return nil
}

var errCut = errors.New("client was disabled or removed")

// passedOn is where a process that hands over leaves what the next one needs at
// once: beside the control socket, which is in memory. Connections wait
// meanwhile, and a disk can be slow.
func passedOn(cfg *config.Config) string { return cfg.Control + ".passed-on" }

// closeState leaves for the next run what it needs. From its begin on nothing
// is accepted any more.
func (d *concentrator) closeState(folder string) {
	if err := durable.Make(folder); err != nil {
		d.log.Error("state folder", "err", err)
	}
	if err := d.server.ports.Save(folder); err != nil {
		d.log.Error("which ports were whose is not saved", "err", err)
	}
	if err := d.server.verifier.Save(noncesFile(folder)); err != nil {
		d.log.Error("the list of used credentials is not saved: clients are asked for new ones after the restart", "err", err)
	}
}

// followOwn keeps the concentrator's own addresses, which no client may reach,
// up to date until ctx ends.
func (d *concentrator) followOwn(ctx context.Context) error {
	return connect.FollowOwn(ctx, func(own []netip.Addr) {
		d.server.own.Set(slices.Concat(own, d.server.settings.Load().config.Advertise.Addresses))
	})
}
