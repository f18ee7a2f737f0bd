// Package keys keeps the secrets that this router shares with its
// concentrators: one file for each key, named by the key's id, in a folder that
// only the daemon's user can read. They are not in the UCI file because that is
// readable by LuCI, and so by browsers, and ends up in backups and bug reports.
//
// A file holds comment lines, which begin with #, and one line of 64
// hexadecimal digits.
package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"tandem/shared/credential"
	"tandem/shared/durable"
)

// DefaultFolder is where the keys of a router are.
const DefaultFolder Folder = "/etc/tandem/keys"

// Folder is the path of the folder.
type Folder string

// maxFile bounds a file: the digits and a page of comments.
const maxFile = 4096

// Load returns the key of that id. It refuses a file that somebody else can
// read. No error quotes what is in a file.
func (f Folder) Load(id credential.KeyID) (credential.Key, error) {
	key, err := f.load(id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return key, fmt.Errorf("key %s: no file %q: pair this router again (tandem-cpe join)", id, f.path(id))
	case err != nil:
		return key, fmt.Errorf("key %s: %w", id, err)
	}
	return key, nil
}

func (f Folder) load(id credential.KeyID) (credential.Key, error) {
	d, err := durable.RLock(string(f))
	if err != nil {
		return credential.Key{}, err
	}
	defer d.Close()
	text, err := d.Read(id.String(), maxFile)
	if err != nil {
		return credential.Key{}, err
	}
	key, err := parse(string(text))
	if err != nil {
		return key, fmt.Errorf("%q: %w", f.path(id), err)
	}
	return key, nil
}

// LoadAll returns the keys of these ids, and says of each that is missing.
func (f Folder) LoadAll(ids []credential.KeyID) (map[credential.KeyID]credential.Key, error) {
	all := make(map[credential.KeyID]credential.Key, len(ids))
	var errs []error
	for _, id := range ids {
		key, err := f.Load(id)
		if err != nil {
			errs = append(errs, err)
		}
		all[id] = key
	}
	return all, errors.Join(errs...)
}

// Store keeps a key, through a crash or not at all. The folder is made where it
// is missing; the file belongs to the folder's owner, who may be the daemon's
// user while root pairs.
func (f Folder) Store(id credential.KeyID, key credential.Key) error {
	if key.IsZero() {
		return fmt.Errorf("key %s: there is none", id)
	}
	if err := durable.Make(string(f)); err != nil {
		return fmt.Errorf("key %s: %w", id, err)
	}
	d, err := durable.Lock(string(f))
	if err != nil {
		return fmt.Errorf("key %s: %w", id, err)
	}
	defer d.Close()
	if err := d.Write(id.String(), format(id, key)); err != nil {
		return fmt.Errorf("key %s: %w", id, err)
	}
	return nil
}

// Remove deletes a key; one that is not there is fine.
func (f Folder) Remove(id credential.KeyID) error {
	d, err := durable.Lock(string(f))
	if err == nil {
		defer d.Close()
		err = d.Remove(id.String())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key %s: %w", id, err)
	}
	return nil
}

func (f Folder) path(id credential.KeyID) string { return filepath.Join(string(f), id.String()) }

func format(id credential.KeyID, key credential.Key) []byte {
	b := fmt.Appendf(nil, "# Secret key %s of tandem-cpe. Who has it can use the concentrator as this\n"+
		"# router. To replace it: tandem-concentrator client rotate, then tandem-cpe join.\n", id)
	return append(hex.AppendEncode(b, key.Reveal(nil)), '\n')
}

func parse(text string) (credential.Key, error) {
	var digits []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			digits = append(digits, line)
		}
	}
	if len(digits) == 1 && len(digits[0]) == 2*credential.KeyLen {
		if b, err := hex.DecodeString(digits[0]); err == nil {
			return credential.KeyFrom(b)
		}
	}
	return credential.Key{}, fmt.Errorf("not a key file: besides comments it must hold one line of %d hexadecimal digits", 2*credential.KeyLen)
}
