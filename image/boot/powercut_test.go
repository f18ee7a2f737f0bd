package boot

import (
	"math/rand"
	"testing"
	"time"
)

// TestPowerCut pulls the plug at random moments, the first boot's included.
// The machine always comes back, with the client it had, and its journal is
// whole.
func TestPowerCut(t *testing.T) {
	start := *seed
	if start == 0 {
		start = time.Now().UnixNano()
	}
	t.Logf("seed %d", start)
	random := rand.New(rand.NewSource(start))
	h := newHouse(t)
	v := newVM(t, hardware{disk: "virtio"}, h.line1, h.line2, h.uplink)

	// How long a boot takes here, on another disk.
	whole := newVM(t, hardware{disk: "virtio"}, h.line1, h.line2, h.uplink)
	begin := time.Now()
	whole.start(t, networks()...)
	whole.wait(t, ready)
	boot := time.Since(begin)
	whole.kill()
	t.Logf("a boot takes %.0f s", boot.Seconds())

	line := ""
	for i := range *cuts {
		v.start(t, networks()...)
		time.Sleep(time.Duration(random.Float64() * 1.2 * float64(boot)))
		v.kill()
		shown := v.console.line()
		t.Logf("cut %d: pairing line shown: %v", i+1, shown != "")
		if shown != "" && line != "" && shown != line {
			t.Errorf("cut %d: another first client", i+1)
		}
		if shown != "" {
			line = shown
		}
	}
	v.start(t, networks()...)
	v.healthy(t)
	if line == "" {
		line = v.wait(t, pairing)[1]
	}
	h.pair(t, line)
	h.get(t, 1_000_000)
	v.shutdown(t)
	journal(t, v)
}
