package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// foundMark says that a local source configured this machine in this boot, so
// that the cloud need not be asked.
const foundMark = "/run/tandem/found"

// local is what comes before the network and the concentrator.
func (m *machine) local() error {
	err := errors.Join(m.keys(), m.fastOpenKey())
	w := credentials(os.Getenv("CREDENTIALS_DIRECTORY"))
	// A seed disk is not mounted by anyone, so nobody has waited for it.
	_, _ = m.command("udevadm", "settle", "--timeout=20")
	if s := seed(); s.given() {
		if w.given() {
			w.fill(s)
		} else {
			w = s
		}
	}
	if w.given() {
		err = errors.Join(err, write(m.at(foundMark), w.source+"\n", 0o644))
	}
	m.apply(&w)
	if bad := m.lastGood(); bad != nil {
		w.complain(bad.Error())
	}
	err = errors.Join(err, m.restore(), m.ports(), m.complaints(&w))
	return err
}

// keys makes the SSH host key. A file that a power cut left empty is no key.
func (m *machine) keys() error {
	path := m.at("/state/ssh/ssh_host_ed25519_key")
	if fi, err := os.Stat(path); err == nil && fi.Size() > 0 {
		return nil
	}
	if err := os.MkdirAll(m.at("/state/ssh"), 0o700); err != nil {
		return err
	}
	temp := path + ".new"
	os.Remove(temp)
	if err := m.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", temp); err != nil {
		return err
	}
	if key, err := os.ReadFile(temp + ".pub"); err == nil {
		if err := write(path+".pub", string(key), 0o644); err != nil {
			return err
		}
		os.Remove(temp + ".pub")
	}
	key, err := os.ReadFile(temp)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	return write(path, string(key), 0o600)
}

// fastOpenKey gives the kernel the TFO key it had at the last boot: cookies
// that others hold stay good.
func (m *machine) fastOpenKey() error {
	path := m.at("/state/setup/tcp-fastopen-key")
	key, err := os.ReadFile(path)
	if err != nil || len(key) != 35 {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		h := hex.EncodeToString(b[:])
		key = []byte(strings.Join([]string{h[:8], h[8:16], h[16:24], h[24:]}, "-"))
		if err := write(path, string(key), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(m.at("/proc/sys/net/ipv4/tcp_fastopen_key"), key, 0)
}

// complaints says on the console and in the journal what was asked for and is
// not done.
func (m *machine) complaints(w *wish) error {
	if len(w.complaints) == 0 {
		return nil
	}
	text := []string{"tandem-concentrator: configuration"}
	for _, c := range w.complaints {
		text = append(text, "  "+c)
	}
	m.say(text...)
	return fmt.Errorf("%d complaints about the configuration", len(w.complaints))
}
