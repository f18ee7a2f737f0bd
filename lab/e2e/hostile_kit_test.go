package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/mptcp"
	"tandem/shared/pairing"
)

// convertPort is where the concentrator listens for the strangers of these
// tests, who sit on the servers' host: no client's prefix covers it.
var convertPort = netip.MustParseAddrPort(house.Concentrator4 + ":5124")

// addClient makes a client as an operator does and returns what signs for it.
func addClient(t *testing.T, h *house.House, name string, flags ...string) *credential.Signer {
	t.Helper()
	args := append([]string{"client", "add", name, "--config", filepath.Join(h.Dir, "concentrator.toml")}, flags...)
	out := run(t, within(t, 20*time.Second), h.Host("core"), filepath.Join(*binaries, "tandem-concentrator"), args...)
	text := regexp.MustCompile(`tandem://\S+`).FindString(out)
	line, err := pairing.Parse(text)
	if err != nil {
		t.Fatalf("client add %s printed %q: %v", name, out, err)
	}
	return &credential.Signer{Identity: credential.NewIdentity(line.ID, line.Key)}
}

// request is a signed request to be connected to dst.
func request(t *testing.T, s *credential.Signer, dst netip.AddrPort) []byte {
	t.Helper()
	b, err := convert.AppendConnect(nil, dst)
	if err == nil {
		b, _, err = s.Append(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dialer connects from a host and sends first.
type dialer func(ctx context.Context, host *labnet.Host, to netip.AddrPort, first []byte) (*net.TCPConn, error)

func dialTCP(ctx context.Context, host *labnet.Host, to netip.AddrPort, first []byte) (*net.TCPConn, error) {
	c, err := host.Dial(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	_, err = c.Write(first)
	return c.(*net.TCPConn), err
}

func dialMPTCP(synData bool) dialer {
	return func(ctx context.Context, host *labnet.Host, to netip.AddrPort, first []byte) (c *net.TCPConn, err error) {
		d := mptcp.Dialer{SynData: synData}
		err = host.Do(func() (err error) {
			c, err = d.Dial(ctx, to, first)
			return err
		})
		return c, err
	}
}

// converse sends a message, ends its half, and returns what comes back until
// the end. A reset is an end, too.
func converse(ctx context.Context, dial dialer, host *labnet.Host, message []byte) ([]byte, error) {
	c, err := dial(ctx, host, convertPort, message)
	if c != nil {
		defer c.Close()
	}
	var got []byte
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		_ = c.CloseWrite()
		got, err = io.ReadAll(c)
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ENOTCONN) {
		err = nil
	}
	return got, err
}

// parsed is an answer as a client reads it.
func parsed(t *testing.T, answer []byte) (m convert.Message) {
	t.Helper()
	if _, err := m.Parse(answer, convert.FromConverter); err != nil {
		t.Fatalf("answer %x: %v", answer, err)
	}
	return m
}

// destination is a server that only these tests go to. It counts who reaches
// it: SYNs in the kernel, before any socket, and connections.
type destination struct {
	addr     netip.AddrPort
	accepted atomic.Int64
	h        *house.House
}

func newDestination(t *testing.T, h *house.House, port int) *destination {
	t.Helper()
	d := &destination{addr: netip.AddrPortFrom(netip.MustParseAddr(house.Server4), uint16(port)), h: h}
	run(t, within(t, 10*time.Second), h.Host("net"), "nft", fmt.Sprintf(`table inet tandem-dest%d {
	counter syns {}
	chain in { type filter hook prerouting priority raw; tcp dport %d tcp flags & (syn|ack) == syn counter name syns; }
}`, port, port))
	l, err := h.Listen(house.Server4, port)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.accepted.Add(1)
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	return d
}

// syns is how many SYNs have come.
func (d *destination) syns(t *testing.T) (n int) {
	t.Helper()
	table := fmt.Sprintf("tandem-dest%d", d.addr.Port())
	return packets(t, d.h.Host("net"), table, "syns")
}

// packets reads a counter of nftables.
func packets(t *testing.T, host *labnet.Host, table, counter string) (n int) {
	t.Helper()
	out := run(t, within(t, 10*time.Second), host, "nft", "list", "counter", "inet", table, counter)
	m := regexp.MustCompile(`packets (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no counter in %s", out)
	}
	_, _ = fmt.Sscan(m[1], &n)
	return n
}

// mustReach checks that a client gets through to d: what refuses everything
// proves nothing.
func mustReach(t *testing.T, h *house.House, s *credential.Signer, d *destination) {
	t.Helper()
	before := d.syns(t)
	ctx := within(t, 30*time.Second)
	for try := 0; ; try++ {
		msg := append(request(t, s, d.addr), "hello"...)
		got, err := converse(ctx, dialTCP, h.Host("net"), msg)
		if err != nil {
			t.Fatal(err)
		}
		if try == 0 && len(got) == 36 { // after an unclean restart: Error 192
			takeTime(t, s, got)
			continue
		}
		if !strings.HasSuffix(string(got), "hello") {
			t.Fatalf("a right request is answered with %x", got)
		}
		break
	}
	if n := d.syns(t) - before; n != 1 {
		t.Fatalf("a right request made %d SYNs", n)
	}
}

// takeTime sets the client's clock by an Error 192.
func takeTime(t *testing.T, s *credential.Signer, answer []byte) {
	t.Helper()
	m := parsed(t, answer)
	if !m.HasError || m.Error.Code != credential.WrongTime {
		t.Fatalf("answer %x is no Error 192", answer)
	}
	var at int64
	for _, b := range m.Error.Value[1:9] {
		at = at<<8 | int64(b)
	}
	ahead := time.Until(time.UnixMilli(at))
	s.Now = func() time.Time { return time.Now().Add(ahead) }
}

// each calls f for 0 to n-1, some at a time.
func each(n, atATime int, f func(i int)) {
	next := make(chan int)
	done := make(chan struct{})
	for range atATime {
		go func() {
			for i := range next {
				f(i)
			}
			done <- struct{}{}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	for range atATime {
		<-done
	}
}

// lastLineField is the second word of the last line.
func lastLineField(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if f := strings.Fields(lines[len(lines)-1]); len(f) > 1 {
		return f[1]
	}
	return ""
}
