package boot

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/lab/servers"
)

// house is a household with two lines, and what they lead to: the VM, and a
// server that is behind it and can be reached without it too.
//
//	lan ── cpe ═ line1 ═ isp ═ VM ── server
//	           ═ line2 ═  └────────────┘
type house struct {
	cpe, lan, server, isp host
	line1, line2          *os.File // QEMU's ends
	uplink                *os.File
	dir                   string
	daemon                *exec.Cmd
}

const serverAddr = "192.0.2.80"

// networks are the VM's addresses. The one towards the server is private, so
// that pairing lines do not hold it.
func networks() []given {
	return []given{
		network(0, "Address=198.51.100.2/24"),
		network(1, "Address=203.0.113.2/24"),
		network(2, "Address=10.0.0.2/24\nGateway=10.0.0.1"),
	}
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{cpe: newHost(t, "cpe"), lan: newHost(t, "lan"), server: newHost(t, "srv"), isp: newHost(t, "isp"), dir: t.TempDir()}
	h.cpe.ip(t, "link add lan type veth peer name eth0 netns "+string(h.lan))
	h.cpe.ip(t, "addr add 192.168.7.1/24 dev lan")
	h.cpe.ip(t, "link set lan up")
	h.lan.ip(t, "addr add 192.168.7.2/24 dev eth0")
	h.lan.ip(t, "link set eth0 up")
	h.lan.ip(t, "route add default via 192.168.7.1")
	h.uplink = h.server.tap(t, "uplink")
	h.server.ip(t, "addr add 10.0.0.1/24 dev uplink")
	h.server.ip(t, "addr add "+serverAddr+"/32 dev lo")
	h.isp.ip(t, "link add server type veth peer name isp netns "+string(h.server))
	h.isp.ip(t, "addr add 10.0.1.2/24 dev server")
	h.isp.ip(t, "link set server up")
	h.server.ip(t, "addr add 10.0.1.1/24 dev isp")
	h.server.ip(t, "link set isp up")
	h.isp.ip(t, "route add "+serverAddr+" via 10.0.1.1")
	for i, line := range []string{"198.51.100", "203.0.113"} {
		i, table := i+1, 101+i
		h.isp.ip(t, fmt.Sprintf("link add line%d type bridge", i))
		h.isp.ip(t, fmt.Sprintf("addr add %s.254/24 dev line%d", line, i))
		h.isp.ip(t, fmt.Sprintf("link set line%d up", i))
		h.isp.ip(t, fmt.Sprintf("link add house%d type veth peer name line%[1]d netns %s", i, h.cpe))
		h.isp.ip(t, fmt.Sprintf("link set house%d master line%[1]d up", i))
		h.cpe.ip(t, fmt.Sprintf("addr add %s.1/24 dev line%d", line, i))
		h.cpe.ip(t, fmt.Sprintf("link set line%d up", i))
		h.cpe.ip(t, fmt.Sprintf("route add default via %s.254 dev line%d metric %[2]d", line, i))
		h.cpe.ip(t, fmt.Sprintf("rule add from %s.1 lookup %d", line, table))
		h.cpe.ip(t, fmt.Sprintf("route add %s.0/24 dev line%d table %d", line, i, table))
		h.cpe.ip(t, fmt.Sprintf("route add default via %s.254 dev line%d table %d", line, i, table))
		h.server.ip(t, fmt.Sprintf("route add %s.0/24 via 10.0.1.2", line))
	}
	h.line1, h.line2 = h.isp.tap(t, "vm1"), h.isp.tap(t, "vm2")
	h.isp.ip(t, "link set vm1 master line1")
	h.isp.ip(t, "link set vm2 master line2")
	if out, err := h.isp.cmd("sysctl", "-qw", "net.ipv4.ip_forward=1").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for _, s := range []string{"net.ipv4.ip_forward=1", "net.mptcp.enabled=1", "net.ipv4.conf.all.rp_filter=0"} {
		if out, err := h.cpe.cmd("sysctl", "-qw", s).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", s, err, out)
		}
	}
	l := h.listen(t, serverAddr+":80")
	go servers.HTTP(l)
	return h
}

// pair gives the CPE the line from the console and starts it. Beside what every
// CPE here has it gets options, as names and values.
func (h *house) pair(t *testing.T, line string, options ...string) {
	t.Helper()
	config := "config tandem 'main'\n\toption enabled '1'\n\tlist lan 'lan'\n\toption log_level 'debug'\n"
	for i := 0; i < len(options); i += 2 {
		config += fmt.Sprintf("\toption %s '%s'\n", options[i], options[i+1])
	}
	for i := range 2 {
		config += fmt.Sprintf("\nconfig wan 'line%d'\n\toption device 'line%[1]d'\n", i+1)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "tandem"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	join := h.cpe.cmd(h.program(), "join", "--config", h.dir, "--keys", filepath.Join(h.dir, "keys"), "--control", h.socket())
	join.Stdin = strings.NewReader(line + "\n")
	if out, err := join.CombinedOutput(); err != nil {
		t.Fatalf("join: %v\n%s", err, out)
	}
	h.startCPE(t)
}

func (h *house) program() string { return filepath.Join(*binaries, "tandem-cpe") }
func (h *house) socket() string  { return filepath.Join(h.dir, "cpe.sock") }

func (h *house) startCPE(t *testing.T) {
	t.Helper()
	h.daemon = h.cpe.cmd(h.program(), "run", "--config", h.dir, "--keys", filepath.Join(h.dir, "keys"), "--control", h.socket())
	f, err := os.Create(filepath.Join(h.dir, "cpe.log"))
	if err != nil {
		t.Fatal(err)
	}
	h.daemon.Stdout, h.daemon.Stderr = f, f
	ended, err := child(h.daemon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.daemon.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Error("the CPE runs 30 s after SIGTERM")
			_ = h.daemon.Process.Signal(syscall.SIGQUIT) // it says where each goroutine is
			<-ended
		}
		if t.Failed() {
			text, _ := os.ReadFile(f.Name())
			t.Logf("CPE said:\n%s", text)
		}
	})
	h.eventually(t, "the CPE reaches the concentrator", 2*time.Minute, func() bool {
		s, err := h.status()
		return err == nil && len(s.Concentrators) == 1 && s.Concentrators[0].Up
	})
}

// cpeStatus is what we look at of the CPE's status.
type cpeStatus struct {
	Concentrators []struct {
		Up      bool `json:"up"`
		SynData struct {
			Tried    int64 `json:"tried"`
			Acked    int64 `json:"acked"`
			FellBack int64 `json:"fell_back_to_tcp"`
		} `json:"syn_data"`
	} `json:"concentrators"`
	Flows struct {
		Relayed int64 `json:"relayed"`
		MPTCP   int64 `json:"mptcp"`
		Direct  int64 `json:"direct"`
		Refused int64 `json:"refused"`
	} `json:"flows"`
}

// silences is how many flows the CPE refused since the machine, emulated on a
// busy host, had been sent a request and then, for three quarters of a second,
// did not answer it or any SYN: it may have carried the request out.
func (h *house) silences(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "cpe.log"))
	if err != nil {
		t.Fatal(err)
	}
	return len(regexp.MustCompile(`msg="flow refused".*(does not answer: i/o timeout|context deadline exceeded)`).FindAll(text, -1))
}

func (h *house) status() (s cpeStatus, err error) {
	out, err := h.cpe.cmd(h.program(), "status", "--json", "--control", h.socket()).Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	return s, err
}

// get downloads n bytes from the LAN and checks each.
func (h *house) get(t *testing.T, n int64) {
	t.Helper()
	if err := h.download(n); err != nil {
		t.Fatal(err)
	}
}

func (h *house) download(n int64) error {
	out, err := h.lan.cmd("bash", "-o", "pipefail", "-c", fmt.Sprintf("curl -sS --max-time 900 http://%s/bytes/%d | sha256sum", serverAddr, n)).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), servers.Sum(n)) {
		return fmt.Errorf("download of %d bytes: %v %s", n, err, out)
	}
	return nil
}

// served downloads, through the concentrator or direct: a flow that finds the
// machine slow to answer, as an emulated one is after its boot, goes direct.
// Only where the machine fell silent with the request may the CPE refuse it,
// since it may have been carried out; it counts those.
func (h *house) served(t *testing.T) bool {
	t.Helper()
	before, err := h.status()
	if err != nil {
		t.Fatal(err)
	}
	failed := h.download(100_000)
	now, err := h.status()
	if err != nil {
		t.Fatal(err)
	}
	if failed != nil && now.Flows.Refused == before.Flows.Refused {
		t.Fatal(failed)
	}
	return failed == nil
}

// through downloads until a connection has gone through the concentrator.
func (h *house) through(t *testing.T) {
	t.Helper()
	before, err := h.status()
	if err != nil {
		t.Fatal(err)
	}
	begin, now := time.Now(), before
	h.eventually(t, "a connection goes through the concentrator", 2*time.Minute, func() bool {
		if !h.served(t) {
			return false
		}
		if now, err = h.status(); err != nil {
			t.Fatal(err)
		}
		return now.Flows.Relayed > before.Flows.Relayed
	})
	t.Logf("a connection went through the concentrator after %.1f s; before it %d went direct and %d were refused",
		time.Since(begin).Seconds(), now.Flows.Direct-before.Flows.Direct, now.Flows.Refused-before.Flows.Refused)
}

func (h *house) eventually(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
