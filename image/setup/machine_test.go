package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testMachine is a host in a folder; its concentrator finds every
// configuration valid that does not say "bad".
type testMachine struct {
	machine
	t       *testing.T
	clients string // what client list says
	ran     []string
	hidden  bool // no public address
}

const shipped = "advertise = []\n"

func newMachine(t *testing.T) *testMachine {
	m := &testMachine{t: t, clients: "[]"}
	m.root = t.TempDir()
	m.consoles = []string{filepath.Join(m.root, "console")}
	m.run = m.command
	m.put(configPath, shipped)
	m.put("/usr/share/tandem/default.toml", shipped)
	m.put("/proc/sys/net/ipv4/tcp_fastopen_key", "0")
	m.put("/console", "")
	return m
}

func (m *testMachine) put(path, text string) {
	if err := write(m.at(path), text, 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *testMachine) get(path string) string {
	text, err := os.ReadFile(m.at(path))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	return string(text)
}

func (m *testMachine) command(name string, args ...string) (string, error) {
	line := strings.Join(append([]string{name}, args...), " ")
	m.ran = append(m.ran, line)
	switch {
	case strings.HasPrefix(line, "tandem-concentrator validate"):
		text, err := os.ReadFile(args[2])
		if err == nil && strings.Contains(string(text), "bad") {
			return "line 1: bad", errors.New("exit status 1")
		}
		return "", err
	case line == "tandem-concentrator client list --json":
		return m.clients, nil
	case line == "tandem-concentrator client add first":
		m.clients = `[{"name": "first"}]`
	case line == "tandem-concentrator client show first --line" && m.hidden && m.get(configPath) == shipped:
		return "no public address", errors.New("exit status 1")
	case line == "tandem-concentrator client show first --line":
		return "tandem://secret\n", nil
	case strings.HasPrefix(line, "ssh-keygen -l"):
		text, err := os.ReadFile(args[2])
		if err == nil && strings.Contains(string(text), "bad") {
			err = errors.New("exit status 255")
		}
		return "", err
	case name == "ssh-keygen":
		path := args[len(args)-1]
		return "", errors.Join(os.WriteFile(path, []byte("key"), 0o600), os.WriteFile(path+".pub", []byte("pub"), 0o644))
	}
	return "", nil
}

func TestConfiguration(t *testing.T) {
	m := newMachine(t)
	apply := func(config string) *wish {
		w := &wish{source: "test", config: config}
		m.apply(w)
		if err := m.lastGood(); err != nil {
			w.complain(err.Error())
		}
		return w
	}
	apply("a = 1\n")
	if got := m.get(configPath); got != "a = 1\n" {
		t.Errorf("configuration is %q", got)
	}
	// Another that is wrong: the one before stays, and somebody is told.
	if w := apply("bad\n"); m.get(configPath) != "a = 1\n" || len(w.complaints) != 1 || !strings.Contains(w.complaints[0], "line 1: bad") {
		t.Errorf("configuration is %q, complaints %q", m.get(configPath), w.complaints)
	}
	// What an operator changes outlives a boot with the same wish.
	m.put(configPath, "b = 2\n")
	apply("a = 1\n")
	if got := m.get(configPath); got != "b = 2\n" {
		t.Errorf("operator's change is lost: %q", got)
	}
	// An operator's mistake: the last good one comes back.
	m.put(configPath, "bad = 3\n")
	if w := apply(""); m.get(configPath) != "b = 2\n" || m.get(configPath+".refused") != "bad = 3\n" || len(w.complaints) != 1 {
		t.Errorf("configuration is %q, refused %q, complaints %q", m.get(configPath), m.get(configPath+".refused"), w.complaints)
	}
	// Nothing good was ever there.
	m = newMachine(t)
	m.put(configPath, "bad\n")
	if apply(""); m.get(configPath) != shipped {
		t.Errorf("configuration is %q, want the shipped one", m.get(configPath))
	}
}

func TestFirstClient(t *testing.T) {
	m := newMachine(t)
	for range 2 {
		if err := m.first(&wish{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(m.get("/console"), "tandem://secret"); n != 1 {
		t.Errorf("the pairing line is shown %d times, want once", n)
	}
	// Made, but a power cut came before it was shown.
	m = newMachine(t)
	m.clients = `[{"name": "first"}]`
	if err := m.first(&wish{}); err != nil || !strings.Contains(m.get("/console"), "tandem://secret") {
		t.Errorf("not shown: %v", err)
	}
	// No public address: the line is made with what there is.
	if len(addresses()) > 0 {
		m = newMachine(t)
		m.hidden = true
		if err := m.first(&wish{}); err != nil || !strings.Contains(m.get("/console"), "tandem://secret") || m.get(configPath) == shipped {
			t.Errorf("without a public address: %v, configuration %q", err, m.get(configPath))
		}
	}
	// Somebody has configured clients.
	for name, prepare := range map[string]func(*testMachine){
		"store":         func(m *testMachine) { m.clients = `[{"name": "home"}]` },
		"configuration": func(m *testMachine) { m.put(configPath, "[[client]]\nname = \"x\"\n") },
	} {
		m = newMachine(t)
		prepare(m)
		if err := m.first(&wish{}); err != nil || strings.Contains(strings.Join(m.ran, "\n"), "client add") {
			t.Errorf("%s: a client was made, %v", name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	m := newMachine(t)
	for range 2 {
		if err := errors.Join(m.keys(), m.fastOpenKey()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(strings.Join(m.ran, "\n"), "ssh-keygen"); n != 1 || m.get("/state/ssh/ssh_host_ed25519_key") != "key" {
		t.Errorf("host key made %d times, is %q", n, m.get("/state/ssh/ssh_host_ed25519_key"))
	}
	kept := m.get("/state/setup/tcp-fastopen-key")
	if len(kept) != 35 || m.get("/proc/sys/net/ipv4/tcp_fastopen_key") != kept {
		t.Errorf("TFO key %q, the kernel has %q", kept, m.get("/proc/sys/net/ipv4/tcp_fastopen_key"))
	}
	// A power cut can leave an empty file.
	if err := os.WriteFile(m.at("/state/ssh/ssh_host_ed25519_key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.keys(); err != nil || m.get("/state/ssh/ssh_host_ed25519_key") != "key" {
		t.Errorf("empty key stays: %v", err)
	}
}

func TestPorts(t *testing.T) {
	m := newMachine(t)
	m.put(configPath, "mark = 0\nlisten = [\"0.0.0.0:443\", '[::]:443']\n")
	m.put("/state/ssh/authorized_keys", "k")
	if err := m.ports(); err != nil {
		t.Fatal(err)
	}
	if got, want := m.get("/run/systemd/system/tandem-concentrator.socket.d/listen.conf"), "[Socket]\nListenStream=\nListenStream=0.0.0.0:443\nListenStream=[::]:443\n"; got != want {
		t.Errorf("socket unit: %q, want %q", got, want)
	}
	if got, want := m.get("/run/tandem/nft/open.nft"), "add element inet host open_tcp { 443, 22 }\n"; got != want {
		t.Errorf("rules: %q, want %q", got, want)
	}
}

func TestApply(t *testing.T) {
	m := newMachine(t)
	w := &wish{source: "test", hostname: "vm", sshKeys: []string{"a", "b"}, ntp: []string{"x", "y"}, updateWindow: "04:30", network: []file{{"50-a.network", "n"}}}
	m.apply(w)
	if len(w.complaints) > 0 {
		t.Error(w.complaints)
	}
	for path, want := range map[string]string{
		"/state/setup/hostname": "vm", "/state/ssh/authorized_keys": "a\nb\n", "/run/systemd/network/50-a.network": "n",
		"/run/systemd/timesyncd.conf.d/tandem.conf":             "[Time]\nNTP=x y\n",
		"/run/systemd/system/tandem-update.timer.d/window.conf": "[Timer]\nOnCalendar=\nOnCalendar=*-*-* 04:30 UTC\n",
	} {
		if got := m.get(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	w = &wish{source: "test", hostname: "not a name", updateWindow: "noon"}
	if m.apply(w); len(w.complaints) != 2 {
		t.Errorf("complaints: %q", w.complaints)
	}
	if err := m.window("off"); err != nil || !strings.Contains(m.get("/run/systemd/system/tandem-update.timer.d/window.conf"), "Condition") {
		t.Errorf("off: %v", err)
	}
}

func TestAuthorize(t *testing.T) {
	const path = "/state/ssh/authorized_keys"
	m := newMachine(t)
	w := &wish{source: "test", sshKeys: []string{"bad", "good", "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret"}}
	m.apply(w)
	if len(w.complaints) != 2 || strings.Contains(strings.Join(w.complaints, ""), "secret") || m.get(path) != "good\n" {
		t.Errorf("keys %q, complaints %q", m.get(path), w.complaints)
	}
	// None is a key: who could log in still can.
	if m.apply(&wish{source: "test", sshKeys: []string{"bad"}}); m.get(path) != "good\n" {
		t.Errorf("keys %q", m.get(path))
	}
}

func TestAdvertise(t *testing.T) {
	m := newMachine(t)
	if err := m.advertise([]string{"203.0.113.9"}); err != nil || m.get(configPath) != "advertise = [\"203.0.113.9\"]\n" {
		t.Errorf("%v, configuration is %q", err, m.get(configPath))
	}
	if err := m.advertise([]string{"203.0.113.10"}); err != nil || strings.Contains(m.get(configPath), "10") {
		t.Errorf("an operator's choice was changed: %q, %v", m.get(configPath), err)
	}
}
