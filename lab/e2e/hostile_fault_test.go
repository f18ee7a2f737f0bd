package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
)

// reach makes a connection from the LAN, which must work within a second
// whatever has happened to Tandem, and tells whether it was relayed.
func reach(t *testing.T, h *house.House, when string) (relayed bool) {
	t.Helper()
	before := status(t, h).Flows.Relayed
	took, err := h.FirstByte(within(t, 10*time.Second), "", house.Server4)
	if err != nil || took > time.Second {
		t.Errorf("%s: a new connection of the LAN took %v: %v", when, took, err)
	}
	return status(t, h).Flows.Relayed > before
}

// TestFaultDisk fills the disk under the concentrator's state folder, then
// makes it read-only: connections go on, what cannot be stored is said, and
// the daemon stops and starts as ever.
func TestFaultDisk(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	state := filepath.Join(h.Dir, "state")
	if err := h.Concentrator.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	h.ConcentratorUnder = []string{"sh", "-ec", fmt.Sprintf(
		"cp -a %[1]s %[1]s.copy; mount -t tmpfs -o size=300k,mode=0700 tandem %[1]s; cp -a %[1]s.copy/. %[1]s; exec \"$@\"", state), "sh"}
	restartConcentrator(t, h)
	pid := fmt.Sprint(h.Concentrator.PID())
	eventually(t, 5*time.Second, "relayed before", func() bool { return reach(t, h, "before") })

	full := filepath.Join("/proc", pid, "root", state, "full")
	f, err := os.Create(full)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	add := func(name string) string {
		out, err := h.Host("core").Run(ctx, "nsenter", "-t", pid, "-m", filepath.Join(*binaries, "tandem-concentrator"),
			"client", "add", name, "--config", filepath.Join(h.Dir, "concentrator.toml"))
		if err == nil {
			t.Errorf("a client was added: %s", out)
		}
		return out
	}
	for range 5 {
		if !reach(t, h, "disk full") {
			t.Error("disk full: not relayed")
		}
	}
	if out := add("late"); !strings.Contains(out, "no space left") {
		t.Errorf("disk full, client add: %s", out)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, h.Host("core"), "nsenter", "-t", pid, "-m", "mount", "-o", "remount,ro", state)
	for range 5 {
		if !reach(t, h, "disk read-only") {
			t.Error("disk read-only: not relayed")
		}
	}
	if out := add("later"); !strings.Contains(out, "read-only") {
		t.Errorf("disk read-only, client add: %s", out)
	}
	if err := h.Concentrator.Stop(20 * time.Second); err != nil {
		t.Errorf("disk read-only: %v", err)
	}
	if n := h.Concentrator.Log.Count("the list of used credentials is not saved"); n != 1 {
		t.Errorf("%d lines say that nonces are not saved:\n%s", n, h.Concentrator.Log)
	}
	reach(t, h, "stopped")
	h.ConcentratorUnder = nil
	restartConcentrator(t, h)
	eventually(t, 10*time.Second, "relayed again", func() bool { return reach(t, h, "after it") })
}

// TestFaultDescriptors starts either daemon with few descriptors, and opens
// more streams than fit: what does not fit goes direct, none breaks, and when
// they have ended it relays again.
func TestFaultDescriptors(t *testing.T) {
	for _, end := range []string{"concentrator", "cpe"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			h := build(t, fast())
			few := []string{"prlimit", "--nofile=160:160"}
			var err error
			if end == "cpe" {
				h.CPEUnder, err = few, h.CPE.Stop(20*time.Second)
			} else {
				h.ConcentratorUnder, err = few, h.Concentrator.Stop(20*time.Second)
			}
			if err != nil {
				t.Fatal(err)
			}
			if end == "cpe" {
				err = h.StartCPE(within(t, 20*time.Second))
			} else {
				err = h.StartConcentrator(within(t, 20*time.Second))
			}
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, 10*time.Second, "relayed before", func() bool { return reach(t, h, "before") })
			before := status(t, h).Flows
			var open []net.Conn
			slowest := time.Duration(0)
			for i := range 100 {
				begin := time.Now()
				c := dial(t, h, house.Server4, house.EchoPort)
				if err := say(c, "hello\n"); err != nil {
					t.Fatalf("stream %d: %v", i, err)
				}
				slowest = max(slowest, time.Since(begin))
				open = append(open, c)
			}
			for i, c := range open {
				if err := say(c, "still here\n"); err != nil {
					t.Errorf("stream %d: %v", i, err)
				}
			}
			got := status(t, h).Flows
			if n := got.Relayed - before.Relayed; n < 10 || n > 80 {
				t.Errorf("%d of 100 streams are relayed", n)
			}
			for _, c := range open {
				c.Close()
			}
			if slowest > time.Second {
				t.Errorf("a connection took %v", slowest)
			}
			took := eventually(t, 40*time.Second, "relayed again", func() bool { return reach(t, h, "afterwards") })
			t.Logf("slowest of 100: %v; relayed again after %v; %+v", slowest.Round(time.Millisecond), took.Round(time.Millisecond), got)
		})
	}
}

// TestFaultPorts leaves the concentrator ten ports for servers: flows beyond
// go direct.
func TestFaultPorts(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	if err := h.Concentrator.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, h.Host("core"), "sysctl", "-qw", "net.ipv4.ip_local_port_range=30000 30009")
	restartConcentrator(t, h)
	eventually(t, 5*time.Second, "relayed before", func() bool { return reach(t, h, "before") })
	for i := range 20 {
		begin := time.Now()
		c := dial(t, h, house.Server4, house.EchoPort)
		if err := say(c, "hello\n"); err != nil {
			t.Errorf("stream %d: %v", i, err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("stream %d took %v", i, took)
		}
	}
	if got := status(t, h).Flows; got.Direct < 5 || got.Relayed < 5 {
		t.Errorf("flows %+v: want some of either kind", got)
	}
}

// TestFaultNft starts the CPE's daemon where there is no nft: it says what is
// missing and ends, and the LAN is served direct.
func TestFaultNft(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	if err := h.CPE.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Fatal(err)
	}
	h.CPEUnder = []string{"sh", "-ec", "mount --bind /dev/null " + nft + "; exec \"$@\"", "sh"}
	started := limited(t, ctx, 10*time.Second)
	err = h.StartCPE(started)
	if err == nil || !strings.Contains(err.Error(), "nft") {
		t.Errorf("started without nft: %v", err)
	}
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Errorf("the LAN is cut off: %v", err)
	}
	h.CPEUnder = nil
	if err := h.StartCPE(ctx); err != nil {
		t.Fatal(err)
	}
	if !reach(t, h, "with nft again") {
		t.Error("not relayed with nft again")
	}
}

// TestFaultRestarts restarts either end again and again, stopped and killed in
// turns, under load. A connection that is through a daemon when that is killed
// ends with it; new ones work again within a second.
func TestFaultRestarts(t *testing.T) {
	h := build(t, fast())
	times := 6
	if *long {
		times = 100
	}
	ctx := within(t, time.Duration(times)*5*time.Second+time.Minute)
	var mu sync.Mutex
	var worst time.Duration
	made, failed := 0, 0
	last := time.Now()
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			pace := time.NewTicker(40 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-quit:
					return
				case <-pace.C:
				}
				err := oneByteWithin(ctx, h, 900*time.Millisecond)
				mu.Lock()
				if made++; err != nil {
					failed++
				} else {
					worst, last = max(worst, time.Since(last)), time.Now()
				}
				mu.Unlock()
			}
		}()
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return made
	}
	for i := range times {
		// Between two ends of a daemon, of which each ends what is under way, is a
		// time in which all is well.
		before := count()
		eventually(t, 20*time.Second, "connections are made", func() bool { return count() >= before+25 })
		d, start := &h.Concentrator, h.StartConcentrator
		if i%2 == 1 {
			d, start = &h.CPE, h.StartCPE
		}
		var err error
		if i%4 < 2 {
			err = (*d).Stop(20 * time.Second)
		} else {
			err = (*d).Kill()
		}
		if err != nil {
			t.Error(err)
		}
		if err := start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	close(quit)
	wg.Wait()
	t.Logf("%d restarts: %d connections, %d of them ended with a daemon; the LAN was without a working one for %v at most", times, made, failed, worst.Round(time.Millisecond))
	limit := 3 * time.Second
	if *long {
		limit = time.Second
	}
	if worst > limit {
		t.Errorf("no connection worked for %v", worst)
	}
	if failed > made/5 {
		t.Errorf("%d of %d connections failed", failed, made)
	}
	eventually(t, 10*time.Second, "relayed at the end", func() bool { return reach(t, h, "at the end") })
}

func oneByteWithin(ctx context.Context, h *house.House, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	c, err := h.DialFrom(ctx, "", house.Server4, house.OneBytePort)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(d))
	b := []byte{'x'}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err = c.Read(b)
	return err
}
