package clients

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultPath is where the clients' files are.
const DefaultPath = "/var/lib/tandem-concentrator/clients"

// Folder is a store of one file per client. The command line and the daemon
// each have one over the same path: changes go to the files, under a lock, and
// what the daemon reads is a table in memory, replaced by Reload. Set the
// fields before that; their functions must not call Reload.
type Folder struct {
	Path     string
	Log      *slog.Logger     // problems, rotations that ended; nil: none
	Now      func() time.Time // nil: time.Now
	OnReload func([]*Client)  // sees each new table before it is in force; nil: nothing
	Prepare  func(*Entry)     // fills in Entry.Prepared, before that; nil: nothing

	table atomic.Pointer[table]
	wake  chan struct{} // to Run: uses has grown

	mu sync.Mutex // held to replace the table, which takes time

	usesMu sync.Mutex // held for moments
	uses   map[KeyID]time.Time
}

var (
	_ Store  = (*Folder)(nil)
	_ Editor = (*Folder)(nil)
)

// NewFolder returns a Folder whose table is empty until the first Reload.
func NewFolder(path string) *Folder {
	f := &Folder{Path: path, wake: make(chan struct{}, 1), uses: make(map[KeyID]time.Time)}
	f.table.Store(&table{})
	return f
}

// Lookup returns the key of that ID and its client, if the client is enabled.
// It takes no lock and allocates nothing.
func (f *Folder) Lookup(id KeyID) (*Entry, bool) {
	e, ok := f.table.Load().entries[id]
	return e, ok
}

// Missing says, for the log, why Lookup found nothing.
func (f *Folder) Missing(id KeyID) string {
	if name, ok := f.table.Load().disabled[id]; ok {
		return fmt.Sprintf("client %q is disabled", name)
	}
	return fmt.Sprintf("no client has the key %s", id)
}

// Enabled says whether there is an enabled client of that name.
func (f *Folder) Enabled(name string) bool { return f.table.Load().enabled[name] }

// Clients returns all clients in force, sorted by name.
func (f *Folder) Clients() []*Client { return f.table.Load().clients }

// Problems returns the clients that the last Reload could not load.
func (f *Folder) Problems() []Problem { return f.table.Load().problems }

// Reload reads the folder. Clients whose file is broken stay as they were, if
// they were; Problems names them. When the folder itself cannot be read, the
// table stays as it is. A missing folder is an empty one at the first Reload,
// and an error afterwards: it was lost.
func (f *Folder) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.table.Load()
	if len(old.clients) > 0 {
		if _, err := os.Stat(f.Path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("client store: %w; the clients known so far stay", err)
		}
	}
	all, bad, err := f.List()
	if err != nil {
		return err
	}
	f.replace(newTable(all, bad, old, f.unsaved()))
	return nil
}

// replace puts t in force. f.mu is held.
func (f *Folder) replace(t *table) {
	if f.Prepare != nil {
		for _, e := range t.entries {
			f.Prepare(e)
		}
	}
	if f.OnReload != nil {
		f.OnReload(t.clients)
	}
	old := f.table.Swap(t)
	if f.Log == nil {
		return
	}
	for _, p := range t.problems {
		if !slices.Contains(old.problems, p) {
			f.Log.Error("client not loaded", "client", p.Client, "reason", p.Reason, "kept", p.Kept)
		}
	}
}

// Used notes that a client has authenticated itself with e's key. After its
// first use nothing is left to do and it costs one atomic load; the rest is
// done by Run, as it waits for the disk.
func (f *Folder) Used(e *Entry) {
	if e.settled.Load() || e.settled.Swap(true) {
		return
	}
	f.usesMu.Lock()
	f.uses[e.Key.ID] = f.now()
	f.usesMu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

const (
	// retry is the time after which a use that could not be saved is tried again.
	retry = time.Minute
	// gather is the time between two saves: each makes the table anew, so that of
	// thousands of new clients each its own would keep a processor busy.
	gather = 500 * time.Millisecond
)

// Run saves first uses of keys, which ends the keys before them, until ctx
// ends. It is a task for daemon.Serve. While the disk is full, old keys end
// in memory alone.
func (f *Folder) Run(ctx context.Context) error {
	again := time.NewTimer(retry)
	defer again.Stop()
	var last time.Time
	for {
		stopping := false
		select {
		case <-f.wake:
			select {
			case <-time.After(gather - time.Since(last)):
			case <-ctx.Done():
				stopping = true
			}
		case <-again.C:
		case <-ctx.Done():
			stopping = true
		}
		f.settle()
		last = time.Now()
		if stopping {
			return nil
		}
		again.Reset(retry)
	}
}

// settle does what follows from the uses noted so far.
func (f *Folder) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	uses := f.unsaved()
	if len(uses) == 0 {
		return
	}
	// In memory first: that cannot fail. Files are the table's own here, so no
	// client is taken for broken or removed.
	old := f.table.Load()
	now := newTable(slices.Clone(old.clients), nil, &table{}, uses)
	now.problems = old.problems
	f.replace(now)
	for id, at := range uses {
		done, err := f.saveUse(now, id, at)
		if err != nil && f.Log != nil {
			f.Log.Error("use of a key not saved, an older key would be valid again after a restart", "key", id.String(), "err", err)
		}
		if done {
			f.usesMu.Lock()
			delete(f.uses, id)
			f.usesMu.Unlock()
		}
	}
}

// unsaved returns a copy of the uses that the files do not know of.
func (f *Folder) unsaved() map[KeyID]time.Time {
	f.usesMu.Lock()
	defer f.usesMu.Unlock()
	return maps.Clone(f.uses)
}

// saveUse writes a key's first use to its client's file.
func (f *Folder) saveUse(t *table, id KeyID, at time.Time) (done bool, err error) {
	e, ok := t.entries[id]
	if !ok {
		return true, nil // removed, disabled or rotated away meanwhile
	}
	_, err = f.Update(e.Client.Name, func(c *Client) error {
		before := len(c.Keys)
		if !c.used(id, at) {
			return errUnchanged
		}
		if f.Log != nil && before > len(c.Keys) {
			f.Log.Info("rotation done, the old key is not valid any more", "client", c.Name, "key", id.String())
		}
		return nil
	})
	if errors.Is(err, errUnchanged) || errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return err == nil, err
}

var errUnchanged = errors.New("nothing to save")

func sortByName(all []*Client) {
	slices.SortFunc(all, func(a, b *Client) int { return strings.Compare(a.Name, b.Name) })
}
