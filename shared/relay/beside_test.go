package relay

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// A byte does not wait for a stream that another loop carries. The relay has a
// process of its own, as in the daemons: where anything else is busy in it, the
// Go scheduler looks at its poller often enough to hide that naps keep it from
// doing so.
func TestBeside(t *testing.T) {
	// Without a thread in the poller the byte waits for the scheduler's watchdog,
	// 10 to 20 ms, whenever the naps begin anew. A busy machine spoils rounds,
	// but not all.
	const rounds, wanted, limit = 30, 3, 0.03
	var waiting [rounds]float64
	for i, good := 0, 0; i < rounds; i++ {
		if waiting[i] = besideStream(t); waiting[i] < limit {
			good++
		}
		if good == wanted {
			return
		}
	}
	t.Errorf("waits of over 5 ms were these parts of the time: %.2f, want %d times less than %.2f", waiting, wanted, limit)
}

// besideStream sends a byte there and back through a relay that carries 150
// Mbit/s beside, with pauses. It returns which part of the time went to those
// round trips that took long.
func besideStream(t *testing.T) float64 {
	to, from := throughRelay(t, 2)
	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go io.Copy(io.Discard, from[0])
	go func() {
		defer close(stopped)
		const rate = 150e6 / 8
		buf := make([]byte, 64<<10)
		tick := time.NewTicker(250 * time.Microsecond)
		defer tick.Stop()
		for last := time.Now(); ; {
			now := time.Now()
			due := min(int(now.Sub(last).Seconds()*rate), len(buf))
			last = now
			// Each pause ends the naps, and has the loop wait in the poller.
			if now.UnixMilli()%50 < 45 {
				if _, err := to[0].Write(buf[:due]); err != nil {
					t.Error(err)
					return
				}
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	go io.Copy(from[1], from[1])
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	long, start := time.Duration(0), time.Now()
	for b := []byte{0}; time.Since(start) < 700*time.Millisecond; <-tick.C {
		begin := time.Now()
		if _, err := to[1].Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(to[1], b); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 5*time.Millisecond {
			long += took
		}
	}
	return float64(long) / float64(time.Since(start))
}

// throughRelay joins pairs of connections by a relay in a process of its own.
func throughRelay(t *testing.T, n int) (clients, servers []*net.TCPConn) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%d", relayProcess, n))
	child.Stderr = os.Stderr
	for range n {
		client, a := pair(t, false)
		b, server := pair(t, false)
		clients, servers = append(clients, client), append(servers, server)
		for _, c := range []*net.TCPConn{a, b} {
			file, err := c.File()
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			defer file.Close()
			child.ExtraFiles = append(child.ExtraFiles, file)
		}
		limit(t, client, server)
	}
	life, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		life.Close()
		if err := child.Wait(); err != nil {
			t.Errorf("relay process: %v", err)
		}
		for _, c := range slices.Concat(clients, servers) {
			c.Close()
		}
	})
	if line, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		t.Fatalf("relay process: %q, %v", line, err)
	}
	return clients, servers
}

// relayProcess names the variable that makes the test program a relay of so
// many pairs of connections, from descriptor 3 on, until its input ends.
const relayProcess = "TANDEM_TEST_RELAY"

func TestMain(m *testing.M) {
	var n int
	if _, err := fmt.Sscan(os.Getenv(relayProcess), &n); err != nil {
		os.Exit(m.Run())
	}
	if err := relayPairs(n); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func relayPairs(n int) error {
	e := NewEngine()
	inherited := func(fd int) (*net.TCPConn, error) {
		file := os.NewFile(uintptr(fd), "inherited")
		defer file.Close()
		c, err := net.FileConn(file)
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}
	for i := range n {
		a, err := inherited(3 + 2*i)
		if err != nil {
			return err
		}
		b, err := inherited(4 + 2*i)
		if err != nil {
			return err
		}
		if _, err := start(e, a, b, Options{}); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
