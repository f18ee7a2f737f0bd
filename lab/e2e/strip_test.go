package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// TestStripped: one line's operator removes data from SYNs, the other one's
// removes MPTCP. Connections work, at most three of them are needed to find
// both out, check says so, and the lines are used again when the cause goes.
func TestStripped(t *testing.T) {
	t.Parallel()
	for name, main := range map[string]string{
		"connections in advance": "",
		"data in the SYN":        synDataOn,
		"mode overflow":          synDataOn + "\toption mode 'overflow'\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := sixty()
			o.CPE = main
			dsl, lte := &o.Spec.WANs[0].Link, &o.Spec.WANs[1].Link
			dsl.Strip, lte.Strip = labnet.Strip{SYNData: true}, labnet.Strip{MPTCP: true}
			steered := name == "mode overflow"
			if steered { // the second line is wanted by what fills the first
				dsl.Down.Rate, dsl.Up.Rate = 10e6, 5e6
			}
			h := build(t, o)
			use := func() {
				t.Helper()
				if steered {
					if _, err := h.DownRate(within(t, time.Minute), "", 5*time.Second, nil); err != nil {
						t.Fatal(err)
					}
					return
				}
				speak(t, h, 2*time.Second)
			}
			states := func() (dsl, lte string) {
				s := askPaths(t, h)
				return s.line(t, "dsl").State, s.line(t, "lte").State
			}
			made := until(t, use, func() bool { dsl, lte := states(); return dsl == "no-syn-data" && lte == "no-mptcp" })
			t.Logf("known after %d connections", made)
			if made > 3 {
				t.Errorf("known after %d connections, want at most 3", made)
			}
			if s := status(t, h).Flows; s.Direct != 0 || s.Refused != 0 {
				t.Errorf("flows %+v", s)
			}
			if err := h.Download(within(t, time.Minute), "", house.Server4, 5<<20); err != nil {
				t.Error(err)
			}
			lines, exit := runCheck(t, h)
			if l := lines["dsl"]; !l.OK || !l.MPTCP || l.SynData {
				t.Errorf("check, data in the SYN removed: %+v", l)
			}
			if l := lines["lte"]; l.OK || l.MPTCP || l.Verdict != "MPTCP does not get through" {
				t.Errorf("check, MPTCP removed: %+v", l)
			}
			if exit != 1 {
				t.Errorf("check ends with status %d, want 1", exit)
			}

			for _, line := range []string{"dsl", "lte"} {
				if err := h.Link(line).SetStrip(labnet.Strip{}); err != nil {
					t.Fatal(err)
				}
			}
			back := until(t, use, func() bool { _, lte := states(); return lte == "up" })
			t.Logf("lte is used again after %d connections", back)
			if *long { // data in the SYN is tried again after a minute or two
				until(t, use, func() bool { dsl, _ := states(); return dsl == "up" })
			}
		})
	}
}

// speak keeps a connection for a while.
func speak(t *testing.T, h *house.House, d time.Duration) {
	t.Helper()
	c := dial(t, h, house.Server4, house.EchoPort)
	defer c.Close()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(d / 10) {
		if _, err := c.Write([]byte("word")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}
}

// until makes one connection after the other until that has shown something,
// for which it may take a moment after each.
func until(t *testing.T, use func(), shown func() bool) (made int) {
	t.Helper()
	limit := 12
	if *long {
		limit = 100
	}
	for made < limit {
		use()
		made++
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if shown() {
				return made
			}
		}
	}
	t.Fatalf("not shown after %d connections", made)
	return made
}
