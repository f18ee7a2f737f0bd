package upstream

import (
	"io"
	"net/netip"
	"testing"

	"tandem/cpe/config"
	"tandem/shared/convert"
	"tandem/shared/logline"
	"tandem/shared/origin"
)

// LAN hosts are named to a concentrator that has asked for it, and to no other.
func TestHostsAreNamedWhenWanted(t *testing.T) {
	c := NewConverter(logline.New(io.Discard), config.Concentrator{Name: "vm"}, nil, 0, 0, nil)
	host, dst := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddrPort("203.0.113.10:443")
	for _, wanted := range []bool{false, true, false} {
		c.NameHosts(wanted)
		b, _, err := c.AppendConnect(nil, dst, host)
		if err != nil {
			t.Fatal(err)
		}
		var m convert.Message
		if _, err := m.Parse(b, convert.FromClient); err != nil {
			t.Fatal(err)
		}
		if got := origin.Host(&m); got.IsValid() != wanted || wanted && got != host {
			t.Errorf("wanted %v: the request names %v", wanted, got)
		}
	}
}
