package main

import (
	"fmt"
	"strings"
)

// authorize lets in who has one of a wish's keys. What is no key is said; where
// none is one, those of before stay.
func (m *machine) authorize(w *wish) error {
	var good []string
	candidate := m.at("/run/tandem/candidate.pub")
	for _, key := range w.sshKeys {
		if strings.HasPrefix(key, "-----BEGIN") {
			w.complain("an SSH key is a private one and not taken: give the line in the file that ends in .pub")
			continue
		}
		if err := write(candidate, key+"\n", 0o600); err != nil {
			return err
		}
		if _, err := m.command("ssh-keygen", "-l", "-f", candidate); err != nil {
			w.complain(fmt.Sprintf("%q is no public SSH key and not taken", clip(key)))
			continue
		}
		good = append(good, key)
	}
	if len(good) == 0 {
		return nil
	}
	return write(m.at("/state/ssh/authorized_keys"), strings.Join(good, "\n")+"\n", 0o600)
}
