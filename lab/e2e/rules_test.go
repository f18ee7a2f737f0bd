package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
)

// dialMarked connects from the LAN host with a DSCP.
func dialMarked(h *house.House, addr string, port, dscp int) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, Control: func(network, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			if network == "tcp4" {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, dscp<<2)
			} else {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, dscp<<2)
			}
		})
		return errors.Join(err, failed)
	}}
	d.SetMultipathTCP(false)
	var c net.Conn
	err := h.Host("lan").Do(func() (err error) {
		c, err = d.Dial("tcp", net.JoinHostPort(addr, fmt.Sprint(port)))
		return err
	})
	return c, err
}

// TestRulesChoose lets rules choose by the LAN host's Ethernet address, by DSCP
// and by port, and looks at which mode each flow has got; a reload with other
// rules holds for the next ones.
func TestRulesChoose(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	link := run(t, ctx, h.Host("lan"), "ip", "-br", "link", "show", "up")
	mac := ""
	for _, l := range strings.Split(link, "\n") {
		if f := strings.Fields(l); len(f) > 2 && f[0] != "lo" {
			mac = f[2]
		}
	}
	if _, err := net.ParseMAC(mac); err != nil {
		t.Fatalf("no Ethernet address in %q", link)
	}
	rules := fmt.Sprintf(`
config rule
	option action 'bypass'
	list port '%d'
	list dscp 'CS3'
config rule 'background'
	option action 'failover'
	list dscp 'CS1'
config rule 'calls'
	option action 'lowest-delay'
	list host '%s'
	list dscp 'EF'
config rule 'other'
	option action 'overflow'
	list host '02:00:5e:00:53:99'
`, house.EchoPort, mac)
	if err := h.WriteCPE("", rules); err != nil {
		t.Fatal(err)
	}
	if err := h.ReloadCPE(ctx); err != nil {
		t.Fatal(err)
	}
	modeOf := func(addr string, dscp int) string {
		t.Helper()
		c, err := dialMarked(h, addr, house.EchoPort, dscp)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		// The answer may be there a moment before the flow is listed.
		for end := time.Now().Add(300 * time.Millisecond); ; time.Sleep(5 * time.Millisecond) {
			for _, f := range askFlows(t, h).Flows {
				if f.Host == c.LocalAddr().String() {
					return f.Mode
				}
			}
			if time.Now().After(end) {
				return "not carried"
			}
		}
	}
	for _, tt := range []struct {
		dscp int
		want string
	}{
		{0, "bond"}, {8, "failover"}, {46, "lowest-delay"}, {24, "not carried"},
	} {
		for _, addr := range []string{house.Server4, house.Server6} {
			if got := modeOf(addr, tt.dscp); got != tt.want {
				t.Errorf("%s, DSCP %d: %s, want %s", addr, tt.dscp, got, tt.want)
			}
		}
	}
	if err := h.WriteCPE("\toption mode 'failover'\n", "config rule\n\toption action 'refuse'\n\tlist dscp 'CS1'\n"); err != nil {
		t.Fatal(err)
	}
	if err := h.ReloadCPE(ctx); err != nil {
		t.Fatal(err)
	}
	if got := modeOf(house.Server4, 46); got != "failover" {
		t.Errorf("after the reload: %s, want failover", got)
	}
	if c, err := dialMarked(h, house.Server4, house.EchoPort, 8); !errors.Is(err, unix.ECONNREFUSED) {
		if err == nil {
			c.Close()
		}
		t.Errorf("a rule that refuses: %v", err)
	}
}
