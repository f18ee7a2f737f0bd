package main

import (
	"io"
	"log/slog"
	"os"
	"regexp"
	"testing"

	"tandem/concentrator/clients"
	"tandem/concentrator/config"
)

// What the alert rules and the dashboard ask for is what the daemon has, and
// nothing that it has is shown nowhere.
func TestMonitoring(t *testing.T) {
	cfg, err := config.Load("tandem-concentrator.toml")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := newServer(log, cfg, clients.NewFolder(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	s.settings.Store(&settings{config: cfg})
	s.admission.Client("home").Up().Reserve(5000)
	d := &concentrator{log: log, server: s}

	valid := regexp.MustCompile(`^tandem_[a-z_]+$`)
	has, moved := map[string]bool{}, 0.0
	for _, m := range d.metrics() {
		if has[m.Name] || !valid.MatchString(m.Name) || m.Help == "" || len(m.Values) == 0 {
			t.Errorf("metric %+v: twice, without help or values, or its name is odd", m)
		}
		has[m.Name] = true
		if m.Name == "tandem_client_bytes_total" {
			for _, v := range m.Values {
				moved += v.Value
			}
		}
	}
	if moved != 5000 {
		t.Errorf("clients moved %v bytes, want 5000", moved)
	}
	asked := map[string]bool{}
	for _, name := range []string{"alerts.yml", "alerts_test.yml", "dashboard.json"} {
		text, err := os.ReadFile("monitoring/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\btandem_[a-z_]+`).FindAllString(string(text), -1) {
			asked[m] = true
			if !has[m] {
				t.Errorf("%s asks for %s, which the daemon does not have", name, m)
			}
		}
	}
	for m := range has {
		if !asked[m] {
			t.Errorf("%s is in neither the alert rules nor the dashboard", m)
		}
	}
	if err := d.healthy(); err != nil {
		t.Errorf("not healthy: %v", err)
	}
	d.drain(true)
	if err := d.healthy(); err == nil || !d.status().Draining {
		t.Error("healthy while draining")
	}
}

// Both ways of counting agree, and follow what is opened.
func TestDescriptors(t *testing.T) {
	const (
		more = 3000 // the listing takes several steps
		some = 10   // that what went before closes late, or the runtime opens
	)
	before, _ := descriptors()
	for range more {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	after, _ := descriptors()
	if after < before+more-some || after > before+more+some {
		t.Errorf("%v descriptors, then %v; want %d more", before, after, more)
	}
	if l := listed("/proc/self/fd"); l < after-some || l > after+some {
		t.Errorf("listed %v, want %v", l, after)
	}
}
