package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// SecretLen is the length of the cookie secret in bytes.
const SecretLen = 32

// Secret returns the key of computed cookies: the content of
// CookieSecretFile, which is created when missing, or a random one where no
// file is named. A file that others than its owner can read is refused.
func (a Authorise) Secret() ([]byte, error) {
	fresh := make([]byte, SecretLen)
	rand.Read(fresh) // never fails, see its documentation
	if a.CookieSecretFile == "" {
		return fresh, nil
	}
	f, err := os.OpenFile(a.CookieSecretFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return readSecret(a.CookieSecretFile)
	}
	if err != nil {
		return nil, fmt.Errorf("cookie secret: %w", err)
	}
	_, err = f.Write(fresh)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(a.CookieSecretFile)
		return nil, fmt.Errorf("cookie secret: %w", err)
	}
	return fresh, nil
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cookie secret: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cookie secret: %w", err)
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("cookie secret %q: mode is %#o, must be 0600", path, fi.Mode().Perm())
	}
	b := make([]byte, SecretLen+1)
	n, err := f.Read(b)
	if err != nil || n != SecretLen {
		return nil, fmt.Errorf("cookie secret %q: must hold exactly %d bytes; remove it to have a new one made", path, SecretLen)
	}
	return b[:n], nil
}
