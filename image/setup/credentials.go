package main

import (
	"os"
	"path/filepath"
	"strings"
)

// credentials reads what systemd got from the hypervisor (SMBIOS type 11,
// fw_cfg) and passed on because of ImportCredential=tandem.*.
func credentials(dir string) wish {
	w := wish{source: "credentials"}
	get := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	w.config = get("tandem.config")
	if w.config != "" {
		w.config += "\n"
	}
	w.hostname = get("tandem.hostname")
	w.sshKeys = lines(get("tandem.ssh-keys"))
	w.ntp = strings.Fields(get("tandem.ntp"))
	w.updateWindow = get("tandem.update-window")
	if text := get("tandem.user-data"); text != "" {
		w.fill(userData("credential tandem.user-data", []byte(text)))
	}
	return w
}

func lines(text string) (out []string) {
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}
