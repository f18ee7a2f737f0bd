package ruleset

import (
	"context"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/policy"

	"tandem/shared/nftables"
)

// besideMwan3 does what matters of mwan3: it marks connections of the LAN and of
// the router that have no mark of its own, and routes by that.
const besideMwan3 = `table inet other {
	counter chosen { }
	chain prerouting {
		type filter hook prerouting priority mangle - 5;
		meta mark & 0x3f00 == 0 meta mark set meta mark | 0x100
	}
	chain output {
		type route hook output priority mangle;
		meta mark & 0x3f00 == 0 tcp dport 80 counter name chosen meta mark set meta mark | 0x100
	}
}
`

func TestBesideMwan3(t *testing.T) {
	n, _ := routed(t, labConfig())
	n.in(t, "router", func() error { return NFT{}.Apply(context.Background(), besideMwan3) })
	for _, family := range []string{"-4", "-6"} {
		n.ip(t, "router", family+" rule add priority 2001 fwmark 0x100/0x3f00 lookup 1")
		n.ip(t, "router", family+" route add unreachable default table 1")
	}
	n.want(t, "", web4, "proxy")
	n.want(t, "", web6, "proxy")

	call := func() error {
		return n.enter("router", func() error {
			d := net.Dialer{Timeout: 5 * time.Second, Control: func(_, _ string, c syscall.RawConn) error {
				var failed error
				if err := c.Control(func(fd uintptr) {
					failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, MarkOwn)
				}); err != nil {
					return err
				}
				return failed
			}}
			c, err := d.Dial("tcp", web4)
			if err != nil {
				return err
			}
			return c.Close()
		})
	}
	chosen := func() string {
		text := ""
		n.in(t, "router", func() (err error) {
			text, err = nftables.Run(context.Background(), "", "", "list", "counter", "inet", "other", "chosen")
			return err
		})
		return text
	}
	if err := call(); err == nil || strings.Contains(chosen(), "packets 0 ") {
		t.Errorf("without our help its choice does not matter: %v, %s", err, chosen())
	}
	n.in(t, "router", func() error { return NFT{}.Apply(context.Background(), "delete table inet other\n"+besideMwan3) })
	n.apply(t, Render(labConfig(), policy.Facts{Mwan3: 0x3f00}, Intercept))
	if err := call(); err != nil || !strings.Contains(chosen(), "packets 0 ") {
		t.Errorf("our own connection: %v, %s", err, chosen())
	}
	n.want(t, "", web4, "proxy")

	// Bits of ours are not given away.
	if text := Render(labConfig(), policy.Facts{Mwan3: 0xff000000}, Intercept); strings.Contains(text, "beside_mwan3") {
		t.Error("a mask that overlaps ours is used")
	}
}
