// Command guest is process 1 of the emulated router of "make test-arch": it
// mounts, loads modules, configures three network devices, starts tandem-cpe
// and does what the test asks for on TCP port 9 of its LAN address, one line a
// connection.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	machine "tandem/lab/guest"
)

// devices by the last byte of the MAC address that QEMU was told: names and
// order of PCI cards differ from machine to machine.
var devices = map[byte]struct{ name, address, gateway string }{
	1: {"lan", "192.0.2.1/24", ""},
	2: {"dsl", "198.51.100.2/25", "198.51.100.1"},
	3: {"lte", "198.51.100.130/25", "198.51.100.129"},
}

var (
	daemon *exec.Cmd
	copier *exec.Cmd // the plain relay
	plain  string    // configuration as it came
)

func main() {
	if err := start(); err != nil {
		fmt.Println("guest failed:", err)
		machine.Off()
	}
	l, err := net.Listen("tcp", "192.0.2.1:9")
	if err != nil {
		fmt.Println("guest failed:", err)
		machine.Off()
	}
	var name unix.Utsname
	_ = unix.Uname(&name)
	fmt.Println("guest kernel", unix.ByteSliceToString(name.Release[:]), unix.ByteSliceToString(name.Machine[:]))
	fmt.Println("guest ready")
	for {
		c, err := l.Accept()
		if err != nil {
			continue
		}
		line, _ := bufio.NewReader(c).ReadString('\n')
		fmt.Fprint(c, obey(strings.Fields(line)))
		c.Close()
	}
}

func start() error {
	if err := machine.Start(); err != nil {
		return err
	}
	if err := shareInterrupts(); err != nil {
		return err
	}
	if err := network(); err != nil {
		return err
	}
	return run()
}

func run() error {
	daemon = exec.Command("/usr/sbin/tandem-cpe", "run", "--config", "/etc/config")
	daemon.Stdout, daemon.Stderr = os.Stdout, os.Stdout
	return daemon.Start()
}

func network() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	found := 0
	for _, l := range links {
		mac := l.Attrs().HardwareAddr
		if len(mac) != 6 {
			continue
		}
		d, ok := devices[mac[5]]
		if !ok {
			continue
		}
		found++
		if err := netlink.LinkSetName(l, d.name); err != nil {
			return fmt.Errorf("name %s: %w", d.name, err)
		}
		addr, err := netlink.ParseAddr(d.address)
		if err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, addr); err != nil {
			return fmt.Errorf("address of %s: %w", d.name, err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
		if d.gateway == "" {
			continue
		}
		// As OpenWrt's netifd has it for several WANs: default routes told apart
		// by metric, and a table for what leaves from each address.
		table := 100 + int(mac[5])
		for _, r := range []netlink.Route{
			{LinkIndex: l.Attrs().Index, Gw: net.ParseIP(d.gateway), Priority: table},
			{LinkIndex: l.Attrs().Index, Gw: net.ParseIP(d.gateway), Table: table},
		} {
			if err := netlink.RouteAdd(&r); err != nil {
				return fmt.Errorf("route over %s: %w", d.name, err)
			}
		}
		rule := netlink.NewRule()
		rule.Src, rule.Table, rule.Priority = &net.IPNet{IP: addr.IP, Mask: net.CIDRMask(32, 32)}, table, 1000
		if err := netlink.RuleAdd(rule); err != nil {
			return fmt.Errorf("rule for %s: %w", d.name, err)
		}
	}
	if found != len(devices) {
		return fmt.Errorf("%d network devices, want %d", found, len(devices))
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
}

// setMode writes a mode into the configuration, which has no other options of that
// kind.
func setMode(mode string) error {
	const file = "/etc/config/tandem"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if plain == "" {
		plain = string(text)
	}
	s := strings.Replace(plain, "\toption enabled '1'\n", "\toption enabled '1'\n\toption mode '"+mode+"'\n", 1)
	s = strings.Replace(s, "\toption device 'dsl'\n", "\toption device 'dsl'\n\toption role 'primary'\n\toption rate_down '4000'\n\toption rate_up '20000'\n", 1)
	s = strings.Replace(s, "\toption device 'lte'\n", "\toption device 'lte'\n\toption role 'secondary'\n\toption metered '1'\n", 1)
	return os.WriteFile(file, []byte(s), 0o644)
}

// obey does what a line says: status, memory, state, mode, copy, cpu,
// goroutines, off.
func obey(words []string) string {
	if len(words) == 0 {
		return "what?\n"
	}
	switch words[0] {
	case "status":
		out, err := exec.Command("/usr/sbin/tandem-cpe", "status", "--json", "--config", "/etc/config").CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%v: %s\n", err, out)
		}
		return string(out)
	case "memory": // of the daemon, in kB
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", daemon.Process.Pid))
		if err != nil {
			return err.Error() + "\n"
		}
		for _, line := range bytes.Split(text, []byte("\n")) {
			if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "VmRSS:" {
				return string(f[1]) + "\n"
			}
		}
		return "no VmRSS\n"
	case "state": // what to look at when nothing moves
		return state()
	case "copy": // start the plain relay from one address to another
		copier = exec.Command("/usr/sbin/copy", words[1:]...)
		copier.Stdout, copier.Stderr = os.Stdout, os.Stdout
		if err := copier.Start(); err != nil {
			return err.Error() + "\n"
		}
		return "started\n"
	case "cpu":
		return cpu()
	case "goroutines": // the daemon writes them on the console, and dies of it
		_ = daemon.Process.Signal(unix.SIGQUIT)
		_ = daemon.Wait()
		return "written\n"
	case "mode": // the daemon is started anew in that mode, with the second line metered
		_ = daemon.Process.Signal(unix.SIGTERM)
		_ = daemon.Wait()
		if err := setMode(words[1]); err != nil {
			return err.Error() + "\n"
		}
		if err := run(); err != nil {
			return err.Error() + "\n"
		}
		return "started\n"
	case "off":
		_ = daemon.Process.Signal(unix.SIGTERM)
		_ = daemon.Wait()
		machine.Off()
	}
	return "what?\n"
}
