package intercept

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Headers as the kernel keeps them.
const (
	ethernet4 = "020000000001 02005e005302 0800"
	ethernet6 = "020000000001 02005e005302 86dd"
	ip4       = "45b8003c000040004006000 0c000020acb00710a"
	ip6       = "6b80000000280640 20010db8000100000000000000000002 20010db8000f00000000000000000010"
	tcp       = "c0010050 00000000 00000000 a002ffff 00000000 020405b4"
)

func TestParseHeaders(t *testing.T) {
	for _, tt := range []struct{ packet, want string }{
		{ethernet4 + ip4 + tcp, "02:00:5e:00:53:02 46"},
		{ethernet6 + ip6 + tcp, "02:00:5e:00:53:02 46"},
		{ip4 + tcp, " 46"},
		{ip6 + tcp, " 46"},
		{ethernet4 + strings.Replace(ip4, "45b8", "4500", 1) + tcp, "02:00:5e:00:53:02 0"},
		{ethernet4 + strings.Replace(ip4, "45b8", "45ff", 1) + tcp, "02:00:5e:00:53:02 63"},
		{ethernet6 + strings.Replace(ip6, "6b8", "600", 1) + tcp, "02:00:5e:00:53:02 0"},
		{"", "nothing"},
		{"45", "nothing"},
		{ethernet4, "nothing"},
		{"020000000001 02005e005302 0806" + ip4, "nothing"},
	} {
		p, err := hex.DecodeString(strings.ReplaceAll(tt.packet, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got := "nothing"
		if syn := parseSYN(p); syn != nil {
			got = fmt.Sprintf("%v %d", syn.MAC, syn.DSCP)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.packet, got, tt.want)
		}
	}
}

// The kernel keeps the first packet while it is asked to, and gives it once.
func TestReadSYN(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		listener, err := config.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		l := listener.(*net.TCPListener)
		accept := func() *net.TCPConn {
			t.Helper()
			d := net.Dialer{Control: func(network, _ string, c syscall.RawConn) error {
				var failed error
				err := c.Control(func(fd uintptr) {
					if network == "tcp4" {
						failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, 46<<2)
					} else {
						failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 46<<2)
					}
				})
				return errors.Join(err, failed)
			}}
			d.SetMultipathTCP(false)
			client, err := d.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { client.Close() })
			server, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Close() })
			return server
		}
		if syn := ReadSYN(accept()); syn != nil {
			t.Errorf("%s: kept without being asked to: %+v", address, syn)
		}
		if err := SaveSYN(l, true); err != nil {
			t.Fatal(err)
		}
		server := accept()
		if syn := ReadSYN(server); syn == nil || syn.DSCP != 46 || syn.MAC.String() != "00:00:00:00:00:00" {
			t.Errorf("%s: got %+v, want DSCP 46 and the loopback device's address", address, syn)
		}
		if syn := ReadSYN(server); syn != nil {
			t.Errorf("%s: given twice: %+v", address, syn)
		}
		if err := SaveSYN(l, false); err != nil {
			t.Fatal(err)
		}
		if syn := ReadSYN(accept()); syn != nil {
			t.Errorf("%s: kept although it is not asked to any more: %+v", address, syn)
		}
	}
}
