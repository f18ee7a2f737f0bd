package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// apply does what a wish asks for, each part for itself; what cannot be done
// becomes a complaint. It returns whether the concentrator's configuration
// changed. What a source says at every boot is kept in /run, what may be
// asked for later in /state.
func (m *machine) apply(w *wish) (configChanged bool) {
	try := func(what string, err error) {
		if err != nil {
			w.complain(what + ": " + err.Error())
		}
	}
	if w.hostname != "" {
		try("host name", m.setHostname(w.hostname))
	}
	if len(w.sshKeys) > 0 {
		try("SSH keys", m.authorize(w))
	}
	if len(w.ntp) > 0 {
		try("NTP", write(m.at("/run/systemd/timesyncd.conf.d/tandem.conf"), "[Time]\nNTP="+strings.Join(w.ntp, " ")+"\n", 0o644))
	}
	if w.updateWindow != "" {
		try("update window", m.window(w.updateWindow))
	}
	for _, f := range w.network {
		try("network", write(m.at("/run/systemd/network/"+f.name), f.text, 0o644))
	}
	return m.configuration(w)
}

var hostnameLabel = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)

func (m *machine) setHostname(name string) error {
	if !hostnameLabel.MatchString(name) {
		return fmt.Errorf("%q is not one label of a host name", clip(name))
	}
	if err := write(m.at("/state/setup/hostname"), name, 0o644); err != nil {
		return err
	}
	return m.useHostname(name)
}

func (m *machine) useHostname(name string) error {
	if m.root != "" {
		return nil // not this host
	}
	return os.NewSyscallError("sethostname", unix.Sethostname([]byte(name)))
}

// restore brings back what an earlier boot was told: a metadata service may be
// late or silent.
func (m *machine) restore() error {
	name, err := os.ReadFile(m.at("/state/setup/hostname"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = m.useHostname(strings.TrimSpace(string(name)))
	}
	return err
}

var clock = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d$`)

// window moves the maintenance window, or closes it.
func (m *machine) window(at string) error {
	path := m.at("/run/systemd/system/tandem-update.timer.d/window.conf")
	switch {
	case at == "off":
		return write(path, "[Unit]\nConditionPathExists=/nonexistent\n", 0o644)
	case clock.MatchString(at):
		return write(path, "[Timer]\nOnCalendar=\nOnCalendar=*-*-* "+at+" UTC\n", 0o644)
	}
	return fmt.Errorf("%q is neither a time such as \"03:00\" nor \"off\"", clip(at))
}

// ports opens what the configuration in force needs: other Convert ports than
// the default, in the socket unit and in the firewall, and SSH when it has a
// key.
func (m *machine) ports() error {
	text, err := os.ReadFile(m.at(configPath))
	if err != nil {
		return err
	}
	var elements []string
	if addresses := listen(string(text)); len(addresses) > 0 {
		unit := "[Socket]\nListenStream=\n"
		for _, a := range addresses {
			unit += "ListenStream=" + a + "\n"
			if port := a[strings.LastIndexByte(a, ':')+1:]; !slices.Contains(elements, port) {
				elements = append(elements, port)
			}
		}
		err = write(m.at("/run/systemd/system/tandem-concentrator.socket.d/listen.conf"), unit, 0o644)
	}
	if _, e := os.Stat(m.at("/state/ssh/authorized_keys")); e == nil {
		elements = append(elements, "22")
	}
	rules := ""
	if len(elements) > 0 {
		rules = "add element inet host open_tcp { " + strings.Join(elements, ", ") + " }\n"
	}
	return errors.Join(err,
		write(m.at("/run/tandem/nft/open.nft"), rules, 0o644),
		m.must("systemctl", "daemon-reload"))
}
