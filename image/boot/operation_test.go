package boot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/servers"
)

// many is how many connections a VM of 512 MB is to serve at a time.
const many = 5000

// TestOperation is a machine's later life beside a CPE that keeps connections
// ready: 5,000 connections at a time, an upgrade of the daemon, a power cut, an
// upgrade by a new image.
func TestOperation(t *testing.T) {
	raiseFiles(t)
	h := newHouse(t)
	echo := h.listen(t, serverAddr+":7")
	go servers.Each(echo, servers.Echo)
	v := newVM(t, hardware{disk: "virtio"}, h.line1, h.line2, h.uplink)
	op := newOperator(t, h)
	// As on EC2: the firmware says so, and the key comes from the metadata service,
	// with a configuration that is wrong.
	metadataService(t, h, op.public)
	told := append(networks(), given{"-smbios", "type=1,manufacturer=Amazon EC2"})
	v.start(t, told...)
	line := v.wait(t, pairing)[1]
	v.wait(t, `EC2: the configuration is refused, the one before stays: .*listen`)
	v.healthy(t)
	h.pair(t, line, "max_flows", "8000")
	h.through(t)

	t.Run("host that pauses", func(t *testing.T) {
		kept := h.open(t, 20)
		process := func() string {
			return strings.TrimSpace(op.run(t, nil, "systemctl show -p MainPID --value tandem-concentrator.service"))
		}
		before := process()
		v.pause(t, 45*time.Second)
		cut := 0
		for _, c := range kept {
			if exchange(c, time.Minute) != nil {
				cut++
			}
			c.Close()
		}
		if after := process(); after != before {
			t.Errorf("after a pause of 45 s the daemon was process %s, before %s:\n%s", after, before,
				op.run(t, nil, "journalctl --no-pager --unit=tandem-concentrator.service --lines=30 | cut -c1-200"))
		}
		t.Logf("%d of %d connections did not outlive 45 s without the machine", cut, len(kept))
		if cut > 0 {
			t.Errorf("%d of %d connections were lost", cut, len(kept))
		}
	})

	t.Run("many connections", func(t *testing.T) {
		defer func() {
			if t.Failed() {
				t.Logf("the daemon said:\n%s", op.run(t, nil, "journalctl --no-pager --unit=tandem-concentrator.service --lines=200 --output=short-monotonic | grep -v binding"))
			}
		}()
		begin := time.Now()
		conns := h.open(t, many)
		t.Logf("%d connections open after %.0f s", many, time.Since(begin).Seconds())
		var s struct {
			Open int `json:"open"`
		}
		if err := json.Unmarshal([]byte(op.run(t, nil, "tandem-concentrator status --json")), &s); err != nil {
			t.Fatal(err)
		}
		if s.Open < many {
			t.Errorf("the concentrator has %d connections open, want %d", s.Open, many)
		}
		t.Logf("memory of the VM, in MB; connections tracked, and how many can be:\n%s",
			op.run(t, nil, "free -m; cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max"))
		// Each carries what is sent on it, all at once.
		var failed atomic.Int64
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if err := exchange(c, 5*time.Minute); err != nil {
					failed.Add(1)
				}
				c.Close()
			}()
		}
		wg.Wait()
		if n := failed.Load(); n > 0 {
			t.Errorf("%d of %d connections do not echo", n, many)
		}
	})

	t.Run("upgrade of the daemon", func(t *testing.T) {
		deb, err := os.Open(*deb)
		if err != nil {
			t.Fatal(err)
		}
		defer deb.Close()
		op.run(t, deb, "cat > /tmp/new.deb")
		before := strings.TrimSpace(op.run(t, nil, "systemctl show -p MainPID --value tandem-concentrator.service"))
		kept := h.open(t, 20)
		status, err := h.status()
		if err != nil {
			t.Fatal(err)
		}
		stop, stopped := make(chan struct{}), make(chan struct{})
		var attempts, failures int
		var slowest time.Duration
		go func() {
			defer close(stopped)
			for {
				begin := time.Now()
				c, err := h.dial()
				if err == nil {
					err = exchange(c, time.Minute)
					c.Close()
				}
				attempts++
				if err != nil {
					failures++
					t.Logf("attempt %d: %v", attempts, err)
				}
				slowest = max(slowest, time.Since(begin))
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		}()
		begin := time.Now()
		silent, starved := h.silences(t), v.starved()
		// Unpacking leaves one emulated processor no time for anything else.
		op.run(t, nil, "nice -n 19 dpkg -i /tmp/new.deb")
		took := time.Since(begin)
		after := strings.TrimSpace(op.run(t, nil, "systemctl show -p MainPID --value tandem-concentrator.service"))
		h.through(t)
		close(stop)
		<-stopped
		now, err := h.status()
		if err != nil {
			t.Fatal(err)
		}
		if before == after || after == "0" {
			t.Errorf("main process was %s and is %s", before, after)
		}
		if silent = h.silences(t) - silent; failures > silent {
			t.Errorf("%d of %d attempts to connect failed, only %d since the machine was silent", failures, attempts, silent)
		}
		cut := 0
		var s struct {
			PID     int `json:"pid"`
			Earlier []struct {
				PID  int `json:"pid"`
				Open int `json:"open"`
			} `json:"earlier"`
		}
		if err := json.Unmarshal([]byte(op.run(t, nil, "tandem-concentrator status --json")), &s); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(s.PID) != after || len(s.Earlier) != 1 || fmt.Sprint(s.Earlier[0].PID) != before || s.Earlier[0].Open < len(kept) {
			t.Errorf("status: %+v; want process %s to serve, and %s to have %d connections", s, after, before, len(kept))
		}
		for _, c := range kept {
			if exchange(c, time.Minute) != nil {
				cut++
			}
			c.Close()
		}
		if cut > 0 {
			t.Errorf("%d of %d connections from before were cut", cut, len(kept))
		}
		h.eventually(t, "the old process ends with its last connection", 5*time.Minute, func() bool {
			text := op.run(t, nil, "tandem-concentrator status")
			for _, line := range strings.Split(text, "\n") {
				if strings.Contains(line, "has handed over") {
					t.Log(line)
					return false
				}
			}
			return true
		})
		state := op.run(t, nil, "systemctl show tandem-concentrator.service")
		for _, want := range []string{"MainPID=" + after, "NRestarts=0", "ActiveState=active", "SubState=running"} {
			if !strings.Contains(state, "\n"+want+"\n") {
				t.Errorf("systemd does not say %s of the service:\n%s", want, state)
			}
		}
		t.Logf("QEMU waited %.1f s for a processor", (v.starved() - starved).Seconds())
		t.Logf("dpkg took %.1f s; %d attempts to connect meanwhile, %d failed (%d since the machine was silent), %d went direct, the slowest took %.2f s; %d of %d older connections were cut",
			took.Seconds(), attempts, failures, silent, now.Flows.Direct-status.Flows.Direct, slowest.Seconds(), cut, len(kept))
	})

	t.Run("power cut after a wrong edit", func(t *testing.T) {
		op.run(t, nil, "echo listen = 5 > /etc/tandem-concentrator/tandem-concentrator.toml; sync")
		v.kill()
		begin := time.Now()
		// The first may have been on its way to the machine in that moment.
		if first := h.served(t); !first {
			h.get(t, 100_000)
			t.Log("the first download after the cut was refused")
		}
		t.Logf("without the machine a download worked after %.2f s", time.Since(begin).Seconds())
		v.start(t, told...)
		v.wait(t, `the configuration is refused and kept as .*refused; the last good one is in force: .*listen`)
		v.healthy(t)
		h.through(t)
	})

	t.Run("upgrade by a new image", func(t *testing.T) {
		op.run(t, nil, "touch /etc/of-the-former-image")
		v.shutdown(t)
		command(t, "../replace", v.disk, *image)
		v.start(t, told...)
		v.healthy(t)
		if strings.Contains(v.console.String(), "tandem://") {
			t.Error("a pairing line is shown: clients are lost")
		}
		h.through(t)
		if found := op.run(t, nil, "ls /etc"); strings.Contains(found, "of-the-former-image") {
			t.Error("the former image's root is still there")
		}
	})
	v.shutdown(t)
	journal(t, v)
}

// raiseFiles lets this program and its children have as many descriptors as
// its hard limit says.
func raiseFiles(t *testing.T) {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	l.Cur = l.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Max < 4*many {
		t.Fatalf("%d descriptors are too few: the CPE needs 2 for each of %d connections", l.Max, many)
	}
}

func (h *house) listen(t *testing.T, addr string) (l net.Listener) {
	t.Helper()
	if err := h.server.do(func() (err error) {
		l, err = net.Listen("tcp4", addr)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// dial connects a LAN host to the echo server.
func (h *house) dial() (c net.Conn, err error) {
	err = h.lan.do(func() error {
		c, err = net.DialTimeout("tcp4", serverAddr+":7", time.Minute)
		return err
	})
	return c, err
}

// exchange sends a line on c and reads it back.
func exchange(c net.Conn, limit time.Duration) error {
	_ = c.SetDeadline(time.Now().Add(limit))
	const line = "are you there?\n"
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	buf := make([]byte, len(line))
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	if string(buf) != line {
		return fmt.Errorf("%q came back", buf)
	}
	return nil
}

// open makes n connections that go through the concentrator and carry bytes, some
// at a time. Where one went direct or was refused, since the machine was silent
// for too long, that lot is closed and made again.
func (h *house) open(t *testing.T, n int) []net.Conn {
	t.Helper()
	var all []net.Conn
	var direct, refused int64
	more := func() bool {
		before, err := h.status()
		if err != nil {
			t.Fatal(err)
		}
		batch := make([]net.Conn, min(20, n-len(all)))
		errs := make([]error, len(batch))
		var wg sync.WaitGroup
		for i := range batch {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if batch[i], errs[i] = h.dial(); errs[i] == nil {
					errs[i] = exchange(batch[i], time.Minute)
				}
			}()
		}
		wg.Wait()
		now, err := h.status()
		if err != nil {
			t.Fatal(err)
		}
		d, r := now.Flows.Direct-before.Flows.Direct, now.Flows.Refused-before.Flows.Refused
		if err := errors.Join(errs...); err != nil && r == 0 {
			t.Fatalf("after %d connections: %v", len(all), err)
		}
		if direct, refused = direct+d, refused+r; d+r > 0 {
			for _, c := range batch {
				if c != nil {
					c.Close()
				}
			}
			return false
		}
		all = append(all, batch...)
		return true
	}
	for len(all) < n {
		h.eventually(t, fmt.Sprintf("more than %d connections go through the concentrator", len(all)), 2*time.Minute, more)
	}
	t.Logf("%d connections open; besides %d went direct and %d were refused", n, direct, refused)
	t.Cleanup(func() {
		for _, c := range all {
			c.Close()
		}
	})
	return all
}

// metadataService is EC2's, version 2, behind the VM: it gives an SSH key, and
// user data that is no valid configuration.
func metadataService(t *testing.T, h *house, key string) {
	t.Helper()
	h.server.ip(t, "addr add 169.254.169.254/32 dev lo")
	l := h.listen(t, "169.254.169.254:80")
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "secret") })
	for path, text := range map[string]string{
		"/latest/meta-data/public-keys/0/openssh-key": key,
		"/latest/user-data":                           "#tandem-concentrator\nlisten = 5\n",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, text)
		})
	}
	go http.Serve(l, mux)
}
