package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// firstClient is the name of the client that is made when nobody has
// configured anything.
const firstClient = "first"

// welcome is what comes when the network and the concentrator are up.
func (m *machine) welcome() error {
	var w wish
	var err error
	if _, e := os.Stat(m.at(foundMark)); e != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if found, ok := cloud(ctx, m.at("/sys/class/dmi/id")); ok {
			w = found
			err = errors.Join(err, m.fromCloud(&w))
		}
	}
	if e := m.first(&w); e != nil {
		w.complain(e.Error())
	}
	err = errors.Join(err, m.complaints(&w))
	m.say(m.ready())
	return err
}

// fromCloud applies what came after the concentrator had started.
func (m *machine) fromCloud(w *wish) error {
	changed := m.apply(w)
	before, _ := os.ReadFile(m.at("/run/tandem/nft/open.nft"))
	err := errors.Join(m.advertise(w.public), m.lastGood(), m.ports())
	if after, _ := os.ReadFile(m.at("/run/tandem/nft/open.nft")); string(after) != string(before) {
		err = errors.Join(err, m.must("systemctl", "reload", "nftables.service"))
	}
	if len(w.sshKeys) > 0 {
		err = errors.Join(err, m.must("systemctl", "start", "ssh.service"))
	}
	if len(w.ntp) > 0 {
		err = errors.Join(err, m.must("systemctl", "try-restart", "systemd-timesyncd.service"))
	}
	if w.updateWindow != "" {
		err = errors.Join(err, m.must("systemctl", "restart", "tandem-update.timer"))
	}
	if changed {
		err = errors.Join(err, m.must("systemctl", "restart", "tandem-concentrator.socket", "tandem-concentrator.service"))
	}
	return err
}

// first makes the first client where there is none and none was configured,
// and shows its pairing line, once. A power cut before it was shown leaves
// the client to be shown at the next boot.
func (m *machine) first(w *wish) error {
	shown := m.at("/state/setup/first-client-shown")
	if _, err := os.Stat(shown); err == nil {
		return nil
	}
	list, err := m.command("tandem-concentrator", "client", "list", "--json")
	if err != nil {
		return fmt.Errorf("client list: %w: %s", err, strings.TrimSpace(list))
	}
	config, err := os.ReadFile(m.at(configPath))
	if err != nil {
		return err
	}
	ours := strings.Contains(list, `"`+firstClient+`"`)
	if others := strings.Contains(list, `"name"`) && !ours; others || clientTable.Match(config) {
		return write(shown, "not needed\n", 0o644)
	}
	line, err := m.pairingLine(ours)
	if err != nil && m.advertise(addresses()) == nil {
		// No public address: a laboratory, or a translation nobody told us of.
		// Our own addresses are the best guess.
		line, err = m.pairingLine(true)
	}
	if err != nil {
		return fmt.Errorf("the first client's pairing line: %w", err)
	}
	m.onConsoles(func(c *os.File) error {
		fmt.Fprintf(c, "\r\n\r\nTandem concentrator: the first client. On the router:\r\n\r\n")
		if m.run != nil {
			_, err := c.WriteString(line)
			return err
		}
		// Once more for each console: on a terminal it draws the QR code too.
		show := exec.Command("tandem-concentrator", "client", "show", firstClient, "--line")
		show.Stdout = c
		err := show.Run()
		fmt.Fprintf(c, "\r\nThis is not shown again; \"tandem-concentrator client\" makes more.\r\n")
		return err
	})
	return write(shown, time.Now().UTC().Format(time.RFC3339)+"\n", 0o644)
}

// pairingLine returns the first client's, which it makes unless it is there.
// A client whose line cannot be made for want of an address is made all the
// same.
func (m *machine) pairingLine(there bool) (string, error) {
	if !there {
		if err := m.must("tandem-concentrator", "client", "add", firstClient); err != nil {
			return "", err
		}
	}
	line, err := m.command("tandem-concentrator", "client", "show", firstClient, "--line")
	if err != nil {
		// What it printed is no line then, and holds no key.
		return "", fmt.Errorf("client show: %w: %s", err, strings.TrimSpace(line))
	}
	return line, nil
}

// ready is the last line of a boot.
func (m *machine) ready() string {
	state := "is ready"
	if out, err := m.command("systemctl", "is-active", "tandem-concentrator.service"); err != nil {
		state = "DOES NOT RUN (" + strings.TrimSpace(out) + "); see journalctl -u tandem-concentrator"
	}
	failed, _ := m.command("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--quiet")
	text := fmt.Sprintf("tandem-concentrator %s, addresses: %s; failed units: %d; %s",
		state, strings.Join(addresses(), " "), len(lines(failed)), m.memory())
	for _, l := range lines(failed) {
		text += "\n  failed: " + l
	}
	return text
}

// memory says how much is in use.
func (m *machine) memory() string {
	text, err := os.ReadFile(m.at("/proc/meminfo"))
	if err != nil {
		return err.Error()
	}
	kB := map[string]int{}
	for _, l := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(l, ":")
		var n int
		fmt.Sscan(value, &n)
		kB[name] = n
	}
	return fmt.Sprintf("memory %d of %d MB in use", (kB["MemTotal"]-kB["MemAvailable"])/1024, kB["MemTotal"]/1024)
}
