package limits

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"tandem/shared/durable"
)

// Usage keeps the volumes of this month in a file, so that they outlive the
// process. A crash loses what was counted since the last save.
type Usage struct {
	Admission *Admission
	Folder    string           // where usage.json is; made if missing
	Every     time.Duration    // between saves, which are left out when nothing moved; 0: DefaultSave
	Log       *slog.Logger     // what cannot be saved
	Now       func() time.Time // nil: time.Now

	// Saved is what Save wrote last, by client.
	Saved map[string]Volume

	saved []byte
}

// DefaultSave is the time between two saves: what a crash can lose, against
// the life of a VM's disk.
const DefaultSave = 5 * time.Minute

const (
	usageFile = "usage.json"
	maxUsage  = 16 << 20 // 100,000 clients
)

// Load reads the file. Without one, all volumes start at 0. A file that cannot
// be read or understood is an error, and volumes start at 0 as well.
func (u *Usage) Load() error {
	d, err := durable.RLock(u.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	defer d.Close()
	text, err := d.Read(usageFile, maxUsage)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	all, err := parseUsage(text)
	if err != nil {
		return fmt.Errorf("usage file %q in %q: %w", usageFile, u.Folder, err)
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	for i, c := range u.Admission.add(names) {
		v := all[names[i]]
		c.up.bytes.Store(v.Up)
		c.down.bytes.Store(v.Down)
		c.period.start.Store(v.Start.Unix())
		c.period.end.Store(v.End.Unix())
	}
	return nil
}

func parseUsage(text []byte) (map[string]Volume, error) {
	var all map[string]Volume
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for name, v := range all {
		if v.Up < 0 || v.Down < 0 || v.Up > maxMonthly || v.Down > maxMonthly || v.End.Before(v.Start) {
			return nil, fmt.Errorf("client %q: no such volume", name)
		}
	}
	return all, nil
}

// Save writes the file if anything changed since it was last written. One at a
// time: Run and Save must not overlap.
func (u *Usage) Save() error {
	now := time.Now
	if u.Now != nil {
		now = u.Now
	}
	all := make(map[string]Volume)
	for name, c := range *u.Admission.clients.Load() {
		if v := c.Volume(now()); v.Up+v.Down > 0 {
			all[name] = v
		}
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	if bytes.Equal(text, u.saved) {
		return nil
	}
	if err := durable.Make(u.Folder); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	d, err := durable.Lock(u.Folder)
	if err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	defer d.Close()
	if err := d.Write(usageFile, append(text, '\n')); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	u.saved, u.Saved = text, all
	return nil
}

// Run saves now and then until ctx ends, and once more then. It is a task for
// daemon.Serve; a full disk does not end it.
func (u *Usage) Run(ctx context.Context) error {
	every := u.Every
	if every == 0 {
		every = DefaultSave
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		stopping := false
		select {
		case <-t.C:
		case <-ctx.Done():
			stopping = true
		}
		if err := u.Save(); err != nil {
			u.Log.Error("volumes not saved, a restart would lose them", "err", err)
		}
		if stopping {
			return nil
		}
	}
}
