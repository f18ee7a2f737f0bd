package e2e

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/credential"
)

// TestPairing: two commands make the two ends know each other, and none of
// what either prints or shows afterwards holds the secret.
func TestPairing(t *testing.T) {
	t.Parallel()
	o := fast()
	o.CPE, o.Tables = "\toption log_level 'debug'\n", "[log]\nlevel = \"debug\"\n"
	h := build(t, o) // which pairs by the commands
	ctx := within(t, time.Minute)
	for range 5 {
		if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
			t.Fatal(err)
		}
	}
	s := status(t, h)
	if trust := s.Concentrators[0].Trust; trust.Key != h.Key || trust.Proven < 5 || trust.Unproven != 0 {
		t.Errorf("trust %+v, want key %s and 5 or more proven answers", trust, h.Key)
	}
	if s.Flows.Relayed != 5 || s.Flows.Direct != 0 {
		t.Errorf("flows %+v, want 5 relayed", s.Flows)
	}
	secret := secretOf(t, h)
	raw, err := hex.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{
		"log of the CPE":          h.CPE.Log.String(),
		"log of the concentrator": h.Concentrator.Log.String(),
		"UCI file":                read(t, filepath.Join(h.Dir, "config", "tandem")),
		"concentrator.toml":       read(t, filepath.Join(h.Dir, "concentrator.toml")),
	}
	for what, args := range map[string][]string{"list": {"list"}, "list --json": {"list", "--json"}, "show": {"show", "house"}, "show --json": {"show", "house", "--json"}} {
		out, err := h.ClientCommand(ctx, args...)
		if err != nil {
			t.Error(err)
		}
		shown["client "+what] = out
	}
	for _, command := range []string{"status", "validate"} {
		out, err := h.CPECommand(ctx, "", command)
		if err != nil {
			t.Error(err)
		}
		shown["tandem-cpe "+command] = out
	}
	for name, d := range map[string]*house.Daemon{"CPE": h.CPE, "concentrator": h.Concentrator} {
		for _, file := range []string{"cmdline", "environ"} {
			shown[file+" of the "+name] = read(t, fmt.Sprintf("/proc/%d/%s", d.PID(), file))
		}
	}
	for what, text := range shown {
		for _, spelling := range []string{secret, strings.ToUpper(secret), string(raw), fmt.Sprint(raw), base64.StdEncoding.EncodeToString(raw), "tandem://"} {
			if strings.Contains(text, spelling) {
				t.Errorf("%s holds the secret or the pairing line", what)
			}
		}
	}
	for _, path := range []string{filepath.Join(h.KeysDir(), h.Key), filepath.Join(h.Dir, "state", "clients")} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v: others can read it", path, fi.Mode(), err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// secretOf is the CPE's key in hexadecimal digits.
func secretOf(t *testing.T, h *house.House) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(read(t, filepath.Join(h.KeysDir(), h.Key))), "\n")
	secret := lines[len(lines)-1]
	if len(secret) != 2*credential.KeyLen {
		t.Fatalf("key file ends in %d characters, want %d", len(secret), 2*credential.KeyLen)
	}
	return secret
}

// TestClockOff gives the CPE a clock that is ten years wrong, as a router
// without a battery has one: no flow fails or goes direct, one request is
// repeated, and the others go in the SYN. When the concentrator is killed and
// cannot tell any more which credentials it has seen, that costs one retry
// again.
func TestClockOff(t *testing.T) {
	for _, skew := range []time.Duration{-87600 * time.Hour, 87600 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			o := sixty()
			o.CPE = synDataOn
			o.CPEProgram = cpeWithClock(t, skew)
			h := build(t, o)
			ctx := within(t, time.Minute)
			get := func(n int) {
				t.Helper()
				for range n {
					if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
						t.Fatal(err)
					}
				}
			}
			check := func(flows, retries int64) {
				t.Helper()
				s := status(t, h)
				trust := s.Concentrators[0].Trust
				if s.Flows.Relayed != flows || s.Flows.Direct != 0 || s.Flows.Refused != 0 || trust.Retries != retries || trust.Unproven != 0 {
					t.Errorf("flows %+v, %+v; want %d relayed and %d retries", s.Flows, trust, flows, retries)
				}
			}
			get(5)
			check(5, 1)
			if off := time.Duration(status(t, h).Concentrators[0].Trust.ClockOffsetMS)*time.Millisecond + skew; off < -time.Minute || off > time.Minute {
				t.Errorf("the clock is taken to be %s off its error of %s", off, skew)
			}
			// Killed, it leaves no list of nonces; nobody notices, since no flow
			// is open.
			if err := h.Concentrator.Kill(); err != nil {
				t.Fatal(err)
			}
			restartConcentrator(t, h)
			get(5)
			check(10, 2)
		})
	}
}

// cpeWithClock builds a tandem-cpe whose clock is wrong: nothing but the
// linker can make it so, and the machine's own clock is not the tests' to set.
func cpeWithClock(t *testing.T, skew time.Duration) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tandem-cpe")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", fmt.Sprintf("-X main.clockSkew=%d", int(skew.Seconds())), "-o", path, "tandem/cpe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// TestRotation replaces the key three times while 20 streams talk and new
// connections come all the time: none fails or goes direct, and the old keys
// are gone from both ends.
func TestRotation(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	const streams = 20
	var made atomic.Int64
	flows := goesOn()
	flows.talk(t, h, streams, 20*time.Millisecond)
	flows.again(streams, func() bool {
		err := oneByte(ctx, h)
		if err != nil {
			t.Errorf("new connection: %v", err)
		}
		made.Add(1)
		return err == nil
	})
	more := func() {
		next := made.Load() + 100
		eventually(t, 30*time.Second, "more connections", func() bool { return made.Load() >= next || t.Failed() })
	}
	more()
	for range 3 {
		old := h.Key
		line, err := h.ClientCommand(ctx, "rotate", "house")
		if err != nil {
			t.Fatal(err)
		}
		more() // by the old key, while both are valid
		if err := h.Join(ctx, strings.TrimSpace(line)); err != nil {
			t.Fatal(err)
		}
		if h.Key == old {
			t.Fatal("the key is the same")
		}
		more()
		eventually(t, 10*time.Second, "the old key is not valid any more", func() bool {
			out, err := h.ClientCommand(ctx, "show", "house")
			return err == nil && !strings.Contains(out, old) && strings.Contains(out, h.Key)
		})
		files, err := os.ReadDir(h.KeysDir())
		if err != nil || len(files) != 1 || files[0].Name() != h.Key {
			t.Errorf("key files of the CPE: %v, %v; want %s only", files, err, h.Key)
		}
	}
	flows.end()
	s := status(t, h)
	if s.Flows.Refused != 0 || s.Concentrators[0].Trust.Key != h.Key || h.CPE.Log.Count("does not take key") != 0 {
		t.Errorf("flows %+v by %+v; want none refused, and no key that the concentrator does not take", s.Flows, s.Concentrators[0].Trust)
	}
	// On a machine so busy that a probe takes half a second, flows go direct.
	if s.Flows.Direct != 0 && h.CPE.Log.Count("but does not answer") == 0 {
		t.Errorf("flows %+v; want none direct", s.Flows)
	}
	t.Logf("3 rotations beside 20 streams and %d connections", made.Load())
}

// TestWrongKey gives the CPE a key that the concentrator does not know, by its
// id or by its bytes: the concentrator reaches nobody for it, and the LAN goes
// direct.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	var mu sync.Mutex
	seen := map[netip.Addr]int{}
	l, err := h.Listen(house.Server4, 9000)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			seen[c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()]++
			mu.Unlock()
			_, _ = io.WriteString(c, "hello\n")
			c.Close()
		}
	}()
	get := func() {
		t.Helper()
		c := dial(t, h, house.Server4, 9000)
		if got, err := io.ReadAll(c); err != nil || string(got) != "hello\n" {
			t.Fatalf("heard %q, %v", got, err)
		}
	}
	through := func() int {
		mu.Lock()
		defer mu.Unlock()
		return seen[netip.MustParseAddr(house.Concentrator4)]
	}
	get()
	if through() != 1 {
		t.Fatalf("with the right key the server saw %v", seen)
	}
	path := filepath.Join(h.KeysDir(), h.Key)
	right := read(t, path)
	otherID, _ := credential.NewKey()
	uci := filepath.Join(h.Dir, "config", "tandem")
	text := read(t, uci)
	for _, tt := range []struct{ name, id, secret string }{
		{"other bytes", h.Key, strings.Repeat("5a", credential.KeyLen) + "\n"},
		{"other id", otherID.String(), right},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, filepath.Join(h.KeysDir(), tt.id), tt.secret)
			write(t, uci, strings.ReplaceAll(text, h.Key, tt.id))
			if err := h.ReloadCPE(ctx); err != nil {
				t.Fatal(err)
			}
			before, direct := through(), status(t, h).Flows.Direct
			begin := time.Now()
			for range 10 {
				get()
			}
			t.Logf("10 flows in %v", time.Since(begin).Round(time.Millisecond))
			if through() != before {
				t.Errorf("the server saw the concentrator: %v", seen)
			}
			s := status(t, h)
			if s.Flows.Direct-direct != 10 {
				t.Errorf("%d flows went direct, want 10", s.Flows.Direct-direct)
			}
			eventually(t, 5*time.Second, "status says why", func() bool {
				c := status(t, h).Concentrators[0]
				return !c.Up && strings.Contains(c.Reason, "does not take key "+tt.id)
			})
		})
	}
	write(t, path, right)
	write(t, uci, text)
	if err := h.ReloadCPE(ctx); err != nil {
		t.Fatal(err)
	}
	before := through()
	get()
	if through() != before+1 {
		t.Errorf("with the right key again the server saw %v", seen)
	}
}

// TestImpostor puts somebody else in the concentrator's place, who says yes to
// everything and then sends bytes of its own: the LAN host sees none of them.
func TestImpostor(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	if err := h.Concentrator.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	l, err := h.Host("core").Listen("tcp", house.Concentrator4+":5124")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var asked atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 1500))
				_, _ = io.WriteString(c, "\x01\x01\x22\x63HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	// The CPE starts anew, so that it takes it for the concentrator.
	if err := h.CPE.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := h.StartCPE(ctx); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := h.Download(ctx, "", house.Server4, 1000); err != nil {
			t.Fatal(err)
		}
	}
	s := status(t, h)
	if s.Flows.Relayed != 0 || s.Flows.Direct != 5 || asked.Load() == 0 {
		t.Errorf("flows %+v, the impostor was asked %d times; want 5 direct", s.Flows, asked.Load())
	}
	if c := s.Concentrators[0]; c.Up || c.Trust.Unproven == 0 || !strings.Contains(c.Reason, "answers without proof") {
		t.Errorf("concentrator %+v, want down, and why", c)
	}
	// The right one returns.
	l.Close()
	restartConcentrator(t, h)
	backInUse(t, h, ctx)
}

// backInUse waits until flows go through the concentrator again.
func backInUse(t *testing.T, h *house.House, ctx context.Context) {
	t.Helper()
	relayed := status(t, h).Flows.Relayed
	eventually(t, 5*time.Second, "through the concentrator again", func() bool {
		if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
			t.Fatal(err)
		}
		return status(t, h).Flows.Relayed > relayed
	})
}

// TestDisable switches a client off and on: its connections end, new ones go
// direct at once, status says why, and it is back within 5 s.
func TestDisable(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	c := dial(t, h, house.Server4, house.EchoPort)
	if err := say(c, "before\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ClientCommand(ctx, "disable", "house"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the open connection read %d bytes, %v; want its end", n, err)
	}
	for i := range 10 {
		if took, err := h.FirstByte(ctx, "", house.Server4); err != nil || took > time.Second {
			t.Fatalf("connection %d while it is disabled: %v, %v; want success within 1 s", i, took, err)
		}
	}
	if got := status(t, h).Flows; got.Direct != 10 || got.Relayed != 1 {
		t.Errorf("flows %+v, want 10 direct", got)
	}
	eventually(t, 5*time.Second, "status says why", func() bool {
		c := status(t, h).Concentrators[0]
		return !c.Up && strings.Contains(c.Reason, "does not take key "+h.Key)
	})
	if _, err := h.ClientCommand(ctx, "enable", "house"); err != nil {
		t.Fatal(err)
	}
	backInUse(t, h, ctx)
}

// A router that is paired while its daemon runs uses the concentrator at once.
func TestJoinWhileRunning(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	uci := filepath.Join(h.Dir, "config", "tandem")
	paired := read(t, uci)
	// The daemon knows a concentrator that is none of its own, so that it runs.
	write(t, uci, strings.Replace(paired, "	option key '"+h.Key+"'\n", "", 1))
	signal(t, h.CPE, syscall.SIGHUP)
	eventually(t, 10*time.Second, "it is known that the concentrator refuses", func() bool {
		return !status(t, h).Concentrators[0].Up
	})
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Fatal(err)
	}
	if got := status(t, h).Flows; got.Direct != 1 {
		t.Errorf("flows %+v, want 1 direct", got)
	}
	line, err := h.ClientCommand(ctx, "show", "house", "--line")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Join(ctx, strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, uci); got != paired {
		t.Errorf("the file is\n%s\nwant\n%s", got, paired)
	}
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Fatal(err)
	}
	if got := status(t, h).Flows; got.Relayed != 1 {
		t.Errorf("flows %+v, want 1 relayed", got)
	}
}
