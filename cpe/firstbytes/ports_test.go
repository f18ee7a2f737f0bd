package firstbytes

import (
	"testing"
	"time"
)

func TestPorts(t *testing.T) {
	var p Ports
	for i := range silentEnough {
		if p.Wait(6667, time.Millisecond) == 0 {
			t.Fatalf("given up after %d waits", i)
		}
		p.Learn(6667, false)
	}
	waits := 0
	for range 10 * silentAgain {
		if p.Wait(6667, time.Millisecond) > 0 {
			waits++
			p.Learn(6667, false)
		}
	}
	if waits != 10 {
		t.Errorf("%d waits in %d connections, want one in %d", waits, 10*silentAgain, silentAgain)
	}
	if p.Wait(443, time.Millisecond) == 0 {
		t.Error("another port is affected")
	}
	p.Learn(6667, true)
	if p.Wait(6667, time.Millisecond) == 0 {
		t.Error("no wait although the host spoke")
	}
	for port := range 4 * portsMost {
		p.Learn(uint16(port), false)
	}
	if len(p.silent) > portsMost {
		t.Errorf("%d ports are remembered", len(p.silent))
	}
}

// Where hosts speak they get longer; where they often do not, they do not.
func TestPortsTalkative(t *testing.T) {
	var p Ports
	const d = 5 * time.Millisecond
	wait := func(when string, port uint16, want time.Duration) {
		t.Helper()
		if got := p.Wait(port, d); got != want {
			t.Errorf("%s: port %d waits %s, want %s", when, port, got, want)
		}
	}
	wait("at first", 443, patience*d)
	for range spokeEnough {
		wait("at first", 993, d)
		p.Learn(993, true)
	}
	wait("after some that spoke", 993, patience*d)
	p.Learn(993, false)
	wait("after one that was silent", 993, d)
	for range 10 * spokeMost { // one in six is
		for range 5 {
			p.Learn(443, true)
		}
		p.Learn(443, false)
		wait("now and then silent", 443, patience*d)
	}
	for range 10 {
		p.Learn(443, true)
		p.Learn(443, false)
	}
	wait("often silent", 443, d)
	if got := p.Wait(993, 0); got != 0 {
		t.Errorf("no wait is wanted: %s", got)
	}
	for port := range 4 * portsMost {
		p.Learn(uint16(port), true)
	}
	if len(p.spoke) > portsMost {
		t.Errorf("%d ports are remembered", len(p.spoke))
	}
}
