package boot

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-mptcp/tandem/lab/servers"
)

// house is a household whose two lines end at the VM, and a server behind it:
//
//	lan ── cpe ═ line1 ═ VM ── server
//	           ═ line2 ═
type house struct {
	cpe, lan, server host
	line1, line2     *os.File // QEMU's ends
	uplink           *os.File
	dir              string
	daemon           *exec.Cmd
}

const serverAddr = "192.0.2.80"

// networks are the VM's addresses. The one towards the server is private, so
// that pairing lines do not hold it.
func networks() []credential {
	return []credential{
		network(0, "Address=198.51.100.2/24"),
		network(1, "Address=203.0.113.2/24"),
		network(2, "Address=10.0.0.2/24\nGateway=10.0.0.1"),
	}
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{cpe: newHost(t, "cpe"), lan: newHost(t, "lan"), server: newHost(t, "srv"), dir: t.TempDir()}
	h.line1 = h.cpe.tap(t, "line1", "198.51.100.1/24")
	h.line2 = h.cpe.tap(t, "line2", "203.0.113.1/24")
	h.uplink = h.server.tap(t, "uplink", "10.0.0.1/24")
	h.server.ip(t, "addr add "+serverAddr+"/32 dev lo")
	h.cpe.ip(t, "link add lan type veth peer name eth0 netns "+string(h.lan))
	h.cpe.ip(t, "addr add 192.168.7.1/24 dev lan")
	h.cpe.ip(t, "link set lan up")
	h.lan.ip(t, "addr add 192.168.7.2/24 dev eth0")
	h.lan.ip(t, "link set eth0 up")
	h.lan.ip(t, "route add default via 192.168.7.1")
	h.cpe.ip(t, "route add default via 198.51.100.2")
	for i, line := range []string{"198.51.100", "203.0.113"} {
		h.cpe.ip(t, fmt.Sprintf("rule add from %s.1 lookup %d", line, 101+i))
		h.cpe.ip(t, fmt.Sprintf("route add %s.0/24 dev line%d table %d", line, i+1, 101+i))
		h.cpe.ip(t, fmt.Sprintf("route add default via %s.2 dev line%d table %d", line, i+1, 101+i))
	}
	for _, s := range []string{"net.ipv4.ip_forward=1", "net.mptcp.enabled=1", "net.ipv4.conf.all.rp_filter=0"} {
		if out, err := h.cpe.cmd("sysctl", "-qw", s).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", s, err, out)
		}
	}
	var l net.Listener
	if err := h.server.do(func() (err error) {
		l, err = net.Listen("tcp4", serverAddr+":80")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go servers.HTTP(l)
	return h
}

// pair gives the CPE the line from the console and starts it.
func (h *house) pair(t *testing.T, line string) {
	t.Helper()
	config := "config tandem 'main'\n\toption enabled '1'\n\tlist lan 'lan'\n\toption first_byte 'syn'\n\toption connect_timeout '10000'\n"
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
	if err := h.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.daemon.Process.Signal(syscall.SIGTERM)
		_ = h.daemon.Wait()
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
	} `json:"flows"`
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
	out, err := h.lan.cmd("bash", "-o", "pipefail", "-c", fmt.Sprintf("curl -sS --max-time 900 http://%s/bytes/%d | sha256sum", serverAddr, n)).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), servers.Sum(n)) {
		t.Fatalf("download of %d bytes: %v %s", n, err, out)
	}
}

func (h *house) eventually(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
