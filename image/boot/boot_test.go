package boot

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	ready   = `tandem-concentrator is ready.*failed units: (\d+).*memory (\d+) of`
	pairing = `(?m)^(tandem://\S+)\s*$`
)

// TestImage boots the image as nobody has configured it, on both firmwares, and
// goes on to what the household sees.
func TestImage(t *testing.T) {
	machines := map[string]hardware{
		"BIOS virtio": {disk: "virtio"},
		"UEFI NVMe":   {uefi: true, disk: "nvme"},
	}
	if *arch == "arm64" {
		machines = map[string]hardware{"UEFI virtio": {uefi: true, disk: "virtio"}}
	}
	for name, hw := range machines {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			v := newVM(t, hw, h.line1, h.line2, h.uplink)
			begin := time.Now()
			v.start(t, networks()...)
			line := v.wait(t, pairing)[1]
			v.healthy(t)
			t.Logf("first boot: ready after %.0f s (%s)", time.Since(begin).Seconds(), *accel)

			h.pair(t, line, "first_byte", "syn")
			h.through(t)
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
			taken := synData(t, h)
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
			h.through(t)
			if synData(t, h) == taken {
				t.Error("no request was taken in a SYN after the restart")
			}

			// A configuration that is wrong costs nothing but a word.
			v.shutdown(t)
			v.start(t, append(networks(), smbios("tandem.config", "listen = 5\n"))...)
			v.wait(t, `the configuration is refused, the one before stays: .*listen`)
			v.healthy(t)
			h.through(t)
		})
	}
}

// TestDisks boots from the other kinds of disks, with a configuration that is
// wrong from the first boot on: what is wrong is said, and the machine serves.
func TestDisks(t *testing.T) {
	const wrong = "listen = 5\n"
	for name, tt := range map[string]struct {
		hw   hardware
		told given
		from string
	}{
		"BIOS SCSI": {hardware{disk: "scsi"}, fwCfg(t, "tandem.config", wrong), "credentials"},
		"UEFI SATA": {hardware{uefi: true, disk: "sata"}, seedDisk(t, "#tandem-concentrator\n"+wrong), "NoCloud disk"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			v := newVM(t, tt.hw, h.line1, h.line2, h.uplink)
			v.start(t, append(networks(), tt.told)...)
			said := tt.from + `: the configuration is refused, the one before stays: .*listen`
			v.wait(t, said)
			line := v.wait(t, pairing)[1]
			v.healthy(t)
			h.pair(t, line)
			h.through(t)
			v.shutdown(t)
			text := journal(t, v)
			if !regexp.MustCompile(said).MatchString(text) {
				t.Errorf("not in the journal: %q", said)
			}
			if t.Failed() { // such as a unit: what did it say?
				t.Logf("journal:\n%s", text)
			}
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
// that its connection is MPTCP still. It returns how many there were.
func synData(t *testing.T, h *house) (taken int64) {
	t.Helper()
	s, err := h.status()
	if err != nil {
		t.Fatal(err)
	}
	d := s.Concentrators[0].SynData
	if d.Tried == 0 || d.Acked != d.Tried || d.FellBack != 0 {
		t.Errorf("SYN data: %d tried, %d taken, %d fell back to TCP", d.Tried, d.Acked, d.FellBack)
	}
	if s.Flows.MPTCP != s.Flows.Relayed {
		t.Errorf("flows: %+v; want all that are relayed by MPTCP", s.Flows)
	}
	return d.Acked
}
