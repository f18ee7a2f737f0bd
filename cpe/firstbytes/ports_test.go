package firstbytes

import "testing"

func TestPorts(t *testing.T) {
	var p Ports
	for i := range silentEnough {
		if !p.WorthIt(6667) {
			t.Fatalf("given up after %d waits", i)
		}
		p.Learn(6667, false)
	}
	waits := 0
	for range 10 * silentAgain {
		if p.WorthIt(6667) {
			waits++
			p.Learn(6667, false)
		}
	}
	if waits != 10 {
		t.Errorf("%d waits in %d connections, want one in %d", waits, 10*silentAgain, silentAgain)
	}
	if !p.WorthIt(443) {
		t.Error("another port is affected")
	}
	p.Learn(6667, true)
	if !p.WorthIt(6667) {
		t.Error("no wait although the host spoke")
	}
	for port := range 4 * portsMost {
		p.Learn(uint16(port), false)
	}
	if len(p.silent) > portsMost {
		t.Errorf("%d ports are remembered", len(p.silent))
	}
}
