package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// configuration takes the concentrator's configuration over from a wish. Only
// what its own program finds valid comes into force, and only once: what an
// operator changes in the file later stays.
func (m *machine) configuration(w *wish) (changed bool) {
	text := w.config
	if text == "" {
		return false
	}
	sum := sha256.Sum256([]byte(text))
	id := hex.EncodeToString(sum[:])
	if seen, err := os.ReadFile(m.at("/state/setup/config-seen")); err == nil && string(seen) == id {
		return false
	}
	candidate := m.at("/run/tandem/candidate.toml")
	if err := write(candidate, text, 0o600); err != nil {
		w.complain(err.Error())
		return false
	}
	if err := m.validate(candidate); err != nil {
		w.complain(fmt.Sprintf("the configuration is refused, the one before stays: %v", err))
		return false
	}
	// The file first: a power cut between the two applies it again.
	err := write(m.at(configPath), text, 0o644)
	if err == nil {
		err = write(m.at("/state/setup/config-seen"), id, 0o600)
	}
	if err != nil {
		w.complain(err.Error())
		return false
	}
	return true
}

// lastGood brings back the last configuration that was valid if the one there
// is not, such as after an edit, and remembers a valid one.
func (m *machine) lastGood() error {
	path, kept := m.at(configPath), m.at("/state/setup/last-good.toml")
	invalid := m.validate(path)
	if invalid == nil {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if old, err := os.ReadFile(kept); err == nil && string(old) == string(text) {
			return nil
		}
		return write(kept, string(text), 0o600)
	}
	good, err := os.ReadFile(kept)
	if err != nil {
		good, err = os.ReadFile(m.at("/usr/share/tandem/default.toml"))
	}
	if err != nil {
		return errors.Join(invalid, err)
	}
	if bad, err := os.ReadFile(path); err == nil {
		_ = write(path+".refused", string(bad), 0o600)
	}
	if err := write(path, string(good), 0o644); err != nil {
		return errors.Join(invalid, err)
	}
	return fmt.Errorf("the configuration is refused and kept as %s.refused; the last good one is in force: %w", configPath, invalid)
}

// validate asks the concentrator's own program.
func (m *machine) validate(path string) error {
	out, err := m.command("tandem-concentrator", "validate", "--config", path)
	if err != nil {
		return errors.New(strings.ReplaceAll(strings.TrimSpace(out), "\n", "; "))
	}
	return nil
}

// listenEntry finds "listen = [...]" at the top of a valid configuration.
var (
	listenEntry    = regexp.MustCompile(`(?ms)^listen\s*=\s*\[(.*?)\]\s*?(#[^\n]*)?$`)
	quoted         = regexp.MustCompile(`["']([^"']+)["']`)
	advertiseEmpty = regexp.MustCompile(`(?m)^advertise\s*=\s*\[\s*\]`)
	clientTable    = regexp.MustCompile(`(?m)^\s*(\[\[client\]\]|client\s*=)`)
)

// listen returns the addresses that a configuration names; none: the default.
func listen(config string) (addresses []string) {
	m := listenEntry.FindStringSubmatch(config)
	if m == nil {
		return nil
	}
	for _, q := range quoted.FindAllStringSubmatch(m[1], -1) {
		addresses = append(addresses, q[1])
	}
	return addresses
}

// advertise writes public addresses into a configuration that says nothing of
// its own: behind a cloud's address translation, the VM's own addresses would
// be of no use in a pairing line.
func (m *machine) advertise(public []string) error {
	text, err := os.ReadFile(m.at(configPath))
	if err != nil || len(public) == 0 || !advertiseEmpty.Match(text) {
		return err
	}
	entry := `advertise = ["` + strings.Join(public, `", "`) + `"]`
	next := m.at("/run/tandem/candidate.toml")
	changed := advertiseEmpty.ReplaceAllLiteralString(string(text), entry)
	if err := write(next, changed, 0o600); err != nil {
		return err
	}
	if err := m.validate(next); err != nil {
		return err
	}
	if err := write(m.at(configPath), changed, 0o644); err != nil {
		return err
	}
	return m.lastGood() // remembers it
}

// write replaces a file, whole or not at all, and makes its folder.
func write(path, text string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
