package labnet

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestStripOnTheWire(t *testing.T) {
	l := up(t, Spec{})
	dsl := l.Link("dsl")
	echo(t, l.Host("core"), ":7000")
	file := filepath.Join(t.TempDir(), "dsl.pcap")
	if err := dsl.Capture(file); err != nil {
		t.Fatal(err)
	}
	// An MPTCP client: its SYN is MP_CAPABLE, until the link strips it.
	dial := func() {
		t.Helper()
		var d net.Dialer
		d.SetMultipathTCP(true)
		err := l.Host("cpe").Do(func() error {
			_, far := WANAddr("dsl")
			c, err := d.DialContext(t.Context(), "tcp", port(far.V4, 7000))
			if err == nil {
				_, err = c.Write([]byte("hello"))
				c.(*net.TCPConn).CloseWrite()
				io.ReadAll(c)
				c.Close()
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	dial()
	if err := dsl.SetStrip(Strip{MPTCP: true}); err != nil {
		t.Fatal(err)
	}
	dial()
	if err := dsl.Capture(""); err != nil {
		t.Fatal(err)
	}
	dial()
	if s := stats(t, l, "dsl").Up; s.SYNs != 3 || s.CapableSYNs != 3 {
		t.Errorf("counted %d SYNs, %d of them MP_CAPABLE; want 3 and 3", s.SYNs, s.CapableSYNs)
	}
	syns, capable := 0, 0
	for _, pkt := range readCapture(t, file) {
		if p, ok := parseTCP(pkt); ok && p.isSYN() {
			syns++
			if p.hasSubtype(subtypeCapable) {
				capable++
			}
		}
	}
	if syns != 2 || capable != 1 {
		t.Errorf("captured %d SYNs, %d of them MP_CAPABLE; want 2 and 1", syns, capable)
	}
	if tool, err := exec.LookPath("tcpdump"); err == nil {
		out, err := exec.Command(tool, "-nvr", file, "tcp[tcpflags] == tcp-syn").CombinedOutput()
		if err != nil || strings.Contains(string(out), "incorrect") || strings.Contains(string(out), "bad") {
			t.Errorf("tcpdump: %v\n%s", err, out)
		}
	}
}

func readCapture(t *testing.T, file string) (packets [][]byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 24 || binary.LittleEndian.Uint32(b) != pcapMagicNanos || binary.LittleEndian.Uint32(b[20:]) != linkTypeRaw {
		t.Fatalf("header: % x", b[:min(24, len(b))])
	}
	for b = b[24:]; len(b) >= 16; {
		n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
		packets = append(packets, b[16:n])
		b = b[n:]
	}
	return packets
}
