package clients

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"tandem/shared/durable"
)

// Add makes a client with a fresh key from the name, note, limits and
// destinations of c. Whatever else c holds is ignored.
func (f *Folder) Add(c Client) (*Client, error) {
	now := f.now()
	c.Created, c.Enabled, c.Keys = stamp(now), true, []Key{newKey(now)}
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := durable.Make(f.Path); err != nil {
		return nil, fmt.Errorf("client store: %w", err)
	}
	d, err := f.lock()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if d.Exists(c.Name + suffix) {
		return nil, fmt.Errorf("%w: %q", ErrExists, c.Name)
	}
	if err := save(d, &c); err != nil {
		return nil, err
	}
	return &c, nil
}

// Update lets change edit the client of that name and saves it. What change
// refuses is not saved. It must leave the name alone.
func (f *Folder) Update(name string, change func(*Client) error) (*Client, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	d, err := f.lock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	c, err := load(d, name)
	if err != nil {
		return nil, err
	}
	if err := change(c); err != nil {
		return nil, err
	}
	c.Name = name
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := save(d, c); err != nil {
		return nil, err
	}
	return c, nil
}

// Rotate gives a client a new key, the last of Keys. The old one stays valid
// until the new one has been used; atOnce ends it now, for a key that was
// stolen.
func (f *Folder) Rotate(name string, atOnce bool) (*Client, error) {
	return f.Update(name, func(c *Client) error {
		c.rotate(newKey(f.now()), atOnce)
		return nil
	})
}

// Remove deletes a client, its keys too, even if its file is broken.
func (f *Folder) Remove(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	d, err := f.lock()
	if err == nil {
		defer d.Close()
		err = d.Remove(name + suffix)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	return err
}

// Show reads one client.
func (f *Folder) Show(name string) (*Client, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	d, err := durable.RLock(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	if err != nil {
		return nil, fmt.Errorf("client store: %w", err)
	}
	defer d.Close()
	return load(d, name)
}

// List reads all clients, sorted by name, and says which could not be read.
// There are none while the folder is missing.
func (f *Folder) List() ([]*Client, []Problem, error) {
	d, err := durable.RLock(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("client store: %w", err)
	}
	defer d.Close()
	names, err := d.Names()
	if err != nil {
		return nil, nil, fmt.Errorf("client store: %w", err)
	}
	var all []*Client
	var bad []Problem
	for _, file := range names {
		name, ok := strings.CutSuffix(file, suffix)
		if !ok {
			bad = append(bad, Problem{Client: file, Reason: fmt.Sprintf("%q: a client's file is named NAME%s", file, suffix)})
			continue
		}
		c, err := load(d, name)
		if errors.Is(err, ErrNotFound) {
			continue // someone who knows no lock removed it just now
		}
		if err != nil {
			bad = append(bad, Problem{Client: name, Reason: strings.ReplaceAll(err.Error(), "\n", "; ")})
			continue
		}
		all = append(all, c)
	}
	sortByName(all) // "a-b.toml" stands before "a.toml"
	return all, bad, nil
}

func (f *Folder) lock() (*durable.Dir, error) {
	d, err := durable.Lock(f.Path)
	if err != nil {
		return nil, fmt.Errorf("client store: %w", err)
	}
	return d, nil
}

func (f *Folder) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func load(d *durable.Dir, name string) (*Client, error) {
	text, err := d.Read(name+suffix, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	if err != nil {
		return nil, fmt.Errorf("client %q: %w", clip(name), err)
	}
	c, err := parse(text, name)
	if err != nil {
		return nil, fmt.Errorf("client %q: file %q: %w", clip(name), clip(name)+suffix, err)
	}
	return c, nil
}

func save(d *durable.Dir, c *Client) error {
	text, err := format(c)
	if err == nil {
		err = d.Write(c.Name+suffix, text)
	}
	if err != nil {
		return fmt.Errorf("client %q not saved: %w", c.Name, err)
	}
	return nil
}
