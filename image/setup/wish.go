package main

// wish is what one source asks for. Empty fields ask for nothing.
type wish struct {
	source string // where it comes from, for people

	config       string   // TOML of the concentrator
	hostname     string   // without domain
	sshKeys      []string // lines of authorized_keys, for root
	ntp          []string // servers
	updateWindow string   // "HH:MM" UTC, or "off"
	network      []file   // units of systemd-networkd
	public       []string // addresses that others see this host by, where a cloud translates

	complaints []string // what was asked for and is not done
}

type file struct{ name, text string }

// given says whether the source said anything at all.
func (w *wish) given() bool {
	return w.config != "" || w.hostname != "" || len(w.sshKeys) > 0 || len(w.ntp) > 0 || w.updateWindow != "" ||
		len(w.network) > 0 || len(w.complaints) > 0
}

func (w *wish) complain(text string) {
	if w.source != "" {
		text = w.source + ": " + text
	}
	w.complaints = append(w.complaints, text)
}

// fill takes from other what w does not say itself.
func (w *wish) fill(other wish) {
	take(&w.config, other.config)
	take(&w.hostname, other.hostname)
	take(&w.updateWindow, other.updateWindow)
	if len(w.sshKeys) == 0 {
		w.sshKeys = other.sshKeys
	}
	if len(w.ntp) == 0 {
		w.ntp = other.ntp
	}
	if len(w.network) == 0 {
		w.network = other.network
	}
	if len(w.public) == 0 {
		w.public = other.public
	}
	w.complaints = append(w.complaints, other.complaints...)
}

func take(dst *string, s string) {
	if *dst == "" {
		*dst = s
	}
}
