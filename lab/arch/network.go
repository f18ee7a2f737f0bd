package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// network is what the guest's three network devices lead to:
//
//	tandem-arch-lan ── lan ┐        ┌ dsl ┐
//	                       │ guest  │     tandem-arch-far ── tandem-arch-net
//	                       └────────┴ lte ┘  concentrator        server
type network struct {
	taps         []*os.File // lan, dsl, lte
	concentrator *exec.Cmd
	dir          string
	listeners    []net.Listener
	sniffers     []int
	opened       atomic.Int64 // MPTCP SYNs to the concentrator
	withData     atomic.Int64 // those that had a payload
}

const (
	lanSpace, farSpace, netSpace = "tandem-arch-lan", "tandem-arch-far", "tandem-arch-net"

	guestAddress        = "192.0.2.1"
	concentratorAddress = "203.0.113.9"
	serverAddress       = "203.0.113.10"
	server              = serverAddress + ":80"
)

func newNetwork() (n *network, err error) {
	n = &network{}
	n.remove() // what a crash may have left
	if n.dir, err = os.MkdirTemp("", "tandem-arch-"); err != nil {
		return n, err
	}
	for _, ns := range []string{lanSpace, farSpace, netSpace} {
		if err := command("ip", "netns", "add", ns); err != nil {
			return n, err
		}
	}
	for _, t := range []struct{ ns, name, address string }{
		{lanSpace, "lan", "192.0.2.2/24"}, {farSpace, "dsl", "198.51.100.1/25"}, {farSpace, "lte", "198.51.100.129/25"},
	} {
		f, err := tap(t.ns, t.name)
		if err != nil {
			return n, err
		}
		n.taps = append(n.taps, f)
		if err := inside(t.ns, "address add "+t.address+" dev "+t.name, "link set lo up", "link set "+t.name+" up"); err != nil {
			return n, err
		}
	}
	if err := command("ip", "link", "add", "servers", "netns", farSpace, "type", "veth", "peer", "name", "far", "netns", netSpace); err != nil {
		return n, err
	}
	for ns, lines := range map[string][]string{
		lanSpace: {"route add default via " + guestAddress},
		farSpace: {"address add " + concentratorAddress + "/24 dev servers", "link set servers up"},
		netSpace: {"link set lo up", "address add " + serverAddress + "/24 dev far", "link set far up"},
	} {
		if err := inside(ns, lines...); err != nil {
			return n, err
		}
	}
	if err := n.sniff(); err != nil {
		return n, err
	}
	if err := n.serve(netSpace, server); err != nil {
		return n, err
	}
	return n, n.startConcentrator()
}

// close takes everything away.
func (n *network) close() {
	for _, l := range n.listeners {
		l.Close()
	}
	if n.concentrator != nil && n.concentrator.Process != nil {
		_ = n.concentrator.Process.Kill()
		_ = n.concentrator.Wait()
	}
	for _, fd := range n.sniffers {
		unix.Shutdown(fd, unix.SHUT_RDWR)
		unix.Close(fd)
	}
	for _, f := range n.taps {
		f.Close()
	}
	n.remove()
	if n.dir != "" {
		os.RemoveAll(n.dir)
	}
}

func (n *network) remove() {
	for _, ns := range []string{lanSpace, farSpace, netSpace} {
		_ = exec.Command("ip", "netns", "del", ns).Run() // it may not be there
	}
}

// startConcentrator runs build/tandem-concentrator, which believes the lines'
// addresses.
func (n *network) startConcentrator() error {
	program, err := filepath.Abs("build/tandem-concentrator")
	if err != nil {
		return err
	}
	config := filepath.Join(n.dir, "concentrator.toml")
	text := fmt.Sprintf("listen = [%q]\ncontrol = %q\nstate = %q\n\n[[client]]\nname = \"guest\"\nsources = [\"198.51.100.0/24\"]\n",
		concentratorAddress+":5124", filepath.Join(n.dir, "control.sock"), filepath.Join(n.dir, "state"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	if err := command("ip", "netns", "exec", farSpace, "sysctl", "-q", "-w", "net.ipv4.tcp_fastopen=0x603"); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(n.dir, "concentrator.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	n.concentrator = exec.Command("ip", "netns", "exec", farSpace, program, "run", "--config", config)
	n.concentrator.Stdout, n.concentrator.Stderr = log, log
	return n.concentrator.Start()
}

// cut makes a line swallow every packet without the guest being told, or ends
// that.
func (n *network) cut(line string, dead bool) error {
	state := "up"
	if dead {
		state = "down"
	}
	return inside(farSpace, "link set "+line+" "+state)
}

// carried is how many bytes went through dsl and lte, both ways.
func (n *network) carried() (total [2]int64) {
	for i, line := range []string{"dsl", "lte"} {
		out, _ := exec.Command("ip", "netns", "exec", farSpace, "cat",
			"/sys/class/net/"+line+"/statistics/rx_bytes", "/sys/class/net/"+line+"/statistics/tx_bytes").Output()
		for _, f := range strings.Fields(string(out)) {
			b, _ := strconv.ParseInt(f, 10, 64)
			total[i] += b
		}
	}
	return total
}

// awaitUp waits until the guest's daemon has heard from the concentrator.
func (n *network) awaitUp(ctx context.Context, ended <-chan struct{}) error {
	for {
		text, err := n.ask("status")
		if err == nil && strings.Contains(text, `"up": true`) && strings.Contains(text, `"last_heard"`) {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the guest is gone")
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(n.dir, "concentrator.log"))
			return fmt.Errorf("the daemon does not serve: %w (status: %s, %v; concentrator: %s)", ctx.Err(), text, err, log)
		case <-time.After(time.Second):
		}
	}
}

// tap makes a tap device in a namespace; QEMU inherits its descriptor.
func tap(ns, name string) (f *os.File, err error) {
	err = enter(ns, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
		if err != nil {
			return err
		}
		f = os.NewFile(uintptr(fd), name)
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	})
	if err != nil {
		return nil, fmt.Errorf("tap device %q: %w", name, err)
	}
	return f, nil
}

// enter runs f on a thread that is in the namespace meanwhile.
func enter(ns string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		target, err := os.Open("/run/netns/" + ns)
		if err == nil {
			defer target.Close()
			if err = unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err == nil {
				err = f()
			}
		}
		done <- err
	}()
	return <-done
}

// inside runs lines of ip in a namespace.
func inside(ns string, lines ...string) error {
	var errs []error
	for _, line := range lines {
		errs = append(errs, command("ip", append([]string{"-n", ns}, strings.Fields(line)...)...))
	}
	return errors.Join(errs...)
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
