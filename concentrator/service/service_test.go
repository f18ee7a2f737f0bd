package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"

	"tandem/shared/mptcp"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// manager is systemd's end of the notification socket.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return c
}

func said(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 1000)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestNotify(t *testing.T) {
	m := manager(t)
	Ready()
	if got := said(t, m); got != "READY=1" {
		t.Errorf("Ready said %q", got)
	}
	Stopping(30 * time.Second)
	if got, want := said(t, m), "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=draining"; got != want {
		t.Errorf("Stopping said %q, want %q", got, want)
	}
	Reloading()
	if got := said(t, m); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("Reloading said %q", got)
	}
}

// A daemon that hangs says nothing more.
func TestWatchdog(t *testing.T) {
	m := manager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	ctx, cancel := context.WithCancel(context.Background())
	ended, hang := make(chan error), make(chan struct{})
	asked := 0
	go func() {
		ended <- Watchdog(ctx, func() {
			if asked++; asked == 3 {
				<-hang
			}
		})
	}()
	for range 2 {
		if got := said(t, m); got != "WATCHDOG=1" {
			t.Errorf("said %q", got)
		}
	}
	_ = m.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := m.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a hanging daemon says it lives: %d bytes, %v", n, err)
	}
	close(hang)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The test runs itself as the service of a socket unit with two sockets.
func TestInherited(t *testing.T) {
	if os.Getenv("TANDEM_TEST_SERVICE") != "" {
		os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
		asService(t)
		return
	}
	lc := mptcp.ListenConfig{MPTCP: true}
	for _, tt := range []struct {
		name string
		lc   mptcp.ListenConfig
		want string
	}{
		{"mptcp", lc, "answered"},
		{"tcp", mptcp.ListenConfig{}, "SocketProtocol=mptcp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := tt.lc.Listen(loopback)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			other, err := lc.Listen(loopback)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			// It comes before the service runs, and waits.
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			cmd := exec.Command(os.Args[0], "-test.run=^TestInherited$")
			for _, l := range []*net.TCPListener{l, other} {
				f, err := l.File()
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				cmd.ExtraFiles = append(cmd.ExtraFiles, f)
			}
			cmd.Env = append(os.Environ(), "TANDEM_TEST_SERVICE="+l.Addr().String(), "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			_ = cmd.Run() // what it printed says more
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("service said %q, want %q", out.String(), tt.want)
			}
		})
	}
}

func asService(t *testing.T) {
	ls, err := Inherited(mptcp.ListenConfig{MPTCP: true, FastOpen: 10, NoCookie: true})
	if err != nil {
		t.Fatal(err)
	}
	first := netip.MustParseAddrPort(os.Getenv("TANDEM_TEST_SERVICE"))
	more := netip.MustParseAddrPort("127.0.0.9:9")
	if got := Missing([]netip.AddrPort{first, more}, ls); len(got) != 1 || got[0] != more {
		t.Errorf("missing: %v", got)
	}
	if got := Surplus([]netip.AddrPort{first, more}, ls); len(got) != 1 || got[0] != addressOf(ls[1]) {
		t.Errorf("surplus: %v", got)
	}
	if again, err := Inherited(mptcp.ListenConfig{}); len(again) != 0 || err != nil {
		t.Errorf("inherited twice: %v, %v", again, err)
	}
	c, err := ls[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("answered", c.RemoteAddr())
}

func TestJournal(t *testing.T) {
	type entry struct {
		Message  string
		Priority journal.Priority
		Fields   map[string]string
	}
	var got []entry
	log := slog.New(&journalHandler{level: slog.LevelInfo, send: func(m string, p journal.Priority, f map[string]string) error {
		got = append(got, entry{m, p, f})
		return nil
	}})
	log.Debug("not shown")
	log.Info("binding", "client", "home", "external", "203.0.113.1:5")
	log.With("a-b", 1).WithGroup("g").Error("went wrong", "err", errors.New("no \"way\""), slog.Group("in", "x", ""))
	want := []entry{
		{`binding client=home external=203.0.113.1:5`, journal.PriInfo, map[string]string{
			"SYSLOG_IDENTIFIER": "tandem-concentrator", "TANDEM_CLIENT": "home", "TANDEM_EXTERNAL": "203.0.113.1:5"}},
		{`went wrong a-b=1 g.err="no \"way\"" g.in.x=""`, journal.PriErr, map[string]string{
			"SYSLOG_IDENTIFIER": "tandem-concentrator", "TANDEM_A_B": "1", "TANDEM_G_ERR": `no "way"`, "TANDEM_G_IN_X": ""}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// By hand, lines go to stderr as text.
func TestLogByHand(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "")
	var out bytes.Buffer
	slog.New(LogHandler(&out, slog.LevelInfo)).Info("hello", "a", 1)
	if !strings.Contains(out.String(), `msg=hello a=1`) {
		t.Errorf("printed %q", out.String())
	}
}
