// Package archive packs what makes a concentrator this concentrator, its
// configuration and its clients with their keys, into one file, and unpacks
// it on another host.
package archive

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"tandem/shared/durable"
)

// Content is what is kept, by name: configName, "usage.json", and
// "clients/NAME.toml". Which credentials have been used is not: clients are
// asked for new ones, once.
type Content map[string][]byte

// ConfigName is the configuration's name in an archive.
const ConfigName = "tandem-concentrator.toml"

const (
	usageName = "usage.json"
	maxFile   = 16 << 20
	maxTotal  = 256 << 20
)

// clientName is what the files of clients are called.
var clientName = regexp.MustCompile(`^clients/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Write packs a content.
func Write(w io.Writer, c Content) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(c[name]))}); err != nil {
			return err
		}
		if _, err := t.Write(c[name]); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// Read unpacks a content, and refuses what Write would not have written.
func Read(r io.Reader) (Content, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("not a backup of tandem-concentrator: %w", err)
	}
	t := tar.NewReader(z)
	c, total := Content{}, int64(0)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("backup is damaged: %w", err)
		}
		total += h.Size
		switch {
		case h.Typeflag != tar.TypeReg || h.Name != ConfigName && h.Name != usageName && !clientName.MatchString(h.Name):
			return nil, fmt.Errorf("not a backup of tandem-concentrator: it holds %q", h.Name)
		case h.Size > maxFile || total > maxTotal:
			return nil, fmt.Errorf("backup is too large at %q", h.Name)
		}
		if c[h.Name], err = io.ReadAll(t); err != nil {
			return nil, fmt.Errorf("backup is damaged: %w", err)
		}
	}
	// The checksum is at the end.
	if _, err := io.Copy(io.Discard, z); err != nil {
		return nil, fmt.Errorf("backup is damaged: %w", err)
	}
	if c[ConfigName] == nil {
		return nil, fmt.Errorf("backup has no %q", ConfigName)
	}
	return c, nil
}

// Collect reads the state folder into c.
func (c Content) Collect(state string) error {
	for _, folder := range []struct{ path, prefix string }{{state, ""}, {filepath.Join(state, "clients"), "clients/"}} {
		d, err := durable.RLock(folder.path)
		if err != nil {
			return err
		}
		err = c.collect(d, folder.prefix)
		if err := errors.Join(err, d.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (c Content) collect(d *durable.Dir, prefix string) error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if prefix == "" && name != usageName {
			continue
		}
		if c[prefix+name], err = d.Read(name, maxFile); err != nil {
			return err
		}
	}
	return nil
}

// Restore makes the state folder hold c: its clients and no others.
func (c Content) Restore(state string) error {
	clients := filepath.Join(state, "clients")
	if err := errors.Join(durable.Make(state), durable.Make(clients)); err != nil {
		return err
	}
	d, err := durable.Lock(clients)
	if err != nil {
		return err
	}
	defer d.Close()
	old, err := d.Names()
	if err != nil {
		return err
	}
	for name, text := range c {
		if base, is := strings.CutPrefix(name, "clients/"); is {
			if err := d.Write(base, text); err != nil {
				return err
			}
		}
	}
	// Others go last: a power cut before leaves too many rather than too few.
	for _, name := range old {
		if c["clients/"+name] == nil {
			if err := d.Remove(name); err != nil {
				return err
			}
		}
	}
	if c[usageName] == nil {
		return nil
	}
	s, err := durable.Lock(state)
	if err != nil {
		return err
	}
	return errors.Join(s.Write(usageName, c[usageName]), s.Close())
}
