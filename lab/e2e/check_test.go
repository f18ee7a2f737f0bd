package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

type checked struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Verdict  string `json:"verdict"`
	MPTCP    bool   `json:"mptcp"`
	SynData  bool   `json:"syn_data"`
	MTU      int    `json:"mtu"`
	Findings []struct {
		Text string `json:"text"`
	} `json:"findings"`
}

// runCheck runs "tandem-cpe check --json" beside the running daemon.
func runCheck(t *testing.T, h *house.House) (lines map[string]checked, exit int) {
	t.Helper()
	cmd := h.Host("cpe").Command(within(t, time.Minute), filepath.Join(*binaries, "tandem-cpe"), "check", "--json",
		"--config", filepath.Join(h.Dir, "config"), "--keys", filepath.Join(h.Dir, "keys"), "--control", h.CPE.Socket)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		exit = failed.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	steps := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var report struct {
		WANs []checked `json:"wans"`
	}
	for _, step := range steps { // each is an object, the last one the report
		if err := json.Unmarshal(step, &report); err != nil {
			t.Fatalf("%v in %q; %s", err, step, &complaints)
		}
	}
	lines = map[string]checked{}
	for _, l := range report.WANs {
		lines[l.Name] = l
	}
	if len(lines) != 2 {
		t.Fatalf("check says %s; %s", out, &complaints)
	}
	return lines, exit
}

// TestCheck lets the lines' operators take away what MPTCP needs, each in its
// own way, and asks check and status what they make of it.
func TestCheck(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	lines, exit := runCheck(t, h)
	for name, l := range lines {
		if !l.OK || l.Verdict != "works" || !l.MPTCP || !l.SynData || l.MTU != 1500 {
			t.Errorf("%s, nothing taken away: %+v", name, l)
		}
	}
	if exit != 0 {
		t.Errorf("exit status %d, want 0", exit)
	}

	strip := func(line string, s labnet.Strip) {
		t.Helper()
		if err := h.Link(line).SetStrip(s); err != nil {
			t.Fatal(err)
		}
	}
	strip("dsl", labnet.Strip{SYNData: true})
	strip("lte", labnet.Strip{MPTCP: true})
	lines, exit = runCheck(t, h)
	if l := lines["dsl"]; !l.OK || !l.MPTCP || l.SynData {
		t.Errorf("SYN data removed: %+v", l)
	}
	if l := lines["lte"]; l.OK || l.MPTCP || l.Verdict != "MPTCP does not get through" || len(l.Findings) < 2 {
		t.Errorf("MPTCP removed: %+v", l)
	}
	if exit != 1 {
		t.Errorf("exit status %d, want 1", exit)
	}

	if err := h.Link("lte").SetBlackhole(true); err != nil {
		t.Fatal(err)
	}
	lines, _ = runCheck(t, h)
	if l := lines["lte"]; l.OK || l.Verdict != "the concentrator does not answer over this line" {
		t.Errorf("blackhole: %+v", l)
	}
	if err := h.Link("lte").SetBlackhole(false); err != nil {
		t.Fatal(err)
	}

	// Status finds it out from the connections that are made anyway.
	strip("lte", labnet.Strip{})
	strip("dsl", labnet.Strip{MPTCP: true})
	ctx := within(t, time.Minute)
	state := func() string { return askPaths(t, h).line(t, "dsl").State }
	made, broken := 0, 0
	eventually(t, 20*time.Second, "status says that MPTCP is removed", func() bool {
		if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
			// One of the two that stood ready: MPTCP was taken from it in the
			// middle of its life, which the kernel may answer with a reset.
			if broken++; broken > 2 {
				t.Fatal(err)
			}
		}
		made++
		return state() == "no-mptcp"
	})
	t.Logf("found out after %d connections, %d broken", made, broken)
	strip("dsl", labnet.Strip{})
	eventually(t, 20*time.Second, "status says that MPTCP gets through again", func() bool {
		if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
			t.Fatal(err)
		}
		// Data in the SYN, which failed with it, is tried again after a minute.
		return state() == "up" || state() == "no-syn-data"
	})
}
