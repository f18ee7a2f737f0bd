package boot

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	ready   = `tandem-concentrator is ready.*failed units: (\d+).*memory (\d+) of`
	pairing = `(?m)^(tandem://\S+)\s*$`
)

// TestImage boots the image as nobody has configured it, on both firmwares
// and all kinds of disks, and goes on to what the household sees.
func TestImage(t *testing.T) {
	for name, hw := range map[string]hardware{
		"BIOS virtio": {disk: "virtio"},
		"UEFI NVMe":   {uefi: true, disk: "nvme"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			v := newVM(t, hw, h.line1, h.line2, h.uplink)
			begin := time.Now()
			v.start(t, networks()...)
			line := v.wait(t, pairing)[1]
			v.healthy(t)
			t.Logf("first boot: ready after %.0f s (%s)", time.Since(begin).Seconds(), *accel)

			h.pair(t, line)
			before := [2]int64{h.cpe.received(t, "line1"), h.cpe.received(t, "line2")}
			begin = time.Now()
			h.get(t, 100_000_000)
			t.Logf("100 MB in %.1f s", time.Since(begin).Seconds())
			for i, device := range []string{"line1", "line2"} {
				if n := h.cpe.received(t, device) - before[i]; n < 5_000_000 {
					t.Errorf("%s carried %d bytes of 100 MB", device, n)
				} else {
					t.Logf("%s carried %.1f MB", device, float64(n)/1e6)
				}
			}
			synData(t, h)
			if hw.disk == "virtio" {
				scan(t, h)
			}

			// The power button, and on again: the same CPE goes on at once.
			v.shutdown(t)
			begin = time.Now()
			v.start(t, networks()...)
			v.healthy(t)
			t.Logf("second boot: ready after %.0f s", time.Since(begin).Seconds())
			if strings.Contains(v.console.String(), "tandem://") {
				t.Error("the pairing line is shown again")
			}
			h.eventually(t, "the CPE is back", 2*time.Minute, func() bool {
				s, err := h.status()
				return err == nil && s.Concentrators[0].Up
			})
			h.get(t, 1_000_000)
			synData(t, h)

			// A configuration that is wrong costs nothing but a word.
			v.shutdown(t)
			v.start(t, append(networks(), credential{"tandem.config", "listen = 5\n"})...)
			v.wait(t, `the configuration is refused, the one before stays: .*listen`)
			v.healthy(t)
			h.eventually(t, "the CPE is back", 2*time.Minute, func() bool {
				s, err := h.status()
				return err == nil && s.Concentrators[0].Up
			})
			h.get(t, 1_000_000)
		})
	}
}

// healthy waits for the end of the boot and checks it.
func (v *vm) healthy(t *testing.T) {
	t.Helper()
	m := v.wait(t, ready)
	if m[1] != "0" {
		t.Errorf("failed units:\n%s", v.console)
	}
	used, _ := strconv.Atoi(m[2])
	t.Logf("memory in use: %d MB", used)
	if used > 200 {
		t.Errorf("%d MB of memory in use, want at most 200", used)
	}
}

// synData checks that every request so far that went in a SYN was taken, and
// that its connection is MPTCP still.
func synData(t *testing.T, h *house) {
	t.Helper()
	s, err := h.status()
	if err != nil {
		t.Fatal(err)
	}
	d := s.Concentrators[0].SynData
	if d.Tried == 0 || d.Acked != d.Tried || d.FellBack != 0 {
		t.Errorf("SYN data: %d tried, %d taken, %d fell back to TCP", d.Tried, d.Acked, d.FellBack)
	}
	if s.Flows.Direct != 0 || s.Flows.MPTCP != s.Flows.Relayed {
		t.Errorf("flows: %+v; want all by MPTCP", s.Flows)
	}
}
