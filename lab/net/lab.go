package labnet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Lab is a running lab.
type Lab struct {
	spec  Spec
	hosts map[string]*Host
	links []*Link

	// Nil for a lab that another process raised.
	claim   *claim
	process *linkProcess

	down sync.Once
	err  error // of Down
}

// Up raises a lab. Its links run in a process started for them, until Down or
// the end of this process; what is left then, the next Up of any lab removes.
// See Spec.Persistent for labs that stay.
func Up(s Spec) (*Lab, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("a lab needs root")
	}
	c, err := claimName(s)
	if err != nil {
		return nil, err
	}
	s.Name = c.name
	l := newLab(s)
	l.claim = c
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("lab %q: %w", s.Name, err), l.Down())
	}
	return l, nil
}

func newLab(s Spec) *Lab {
	l := &Lab{spec: s, hosts: map[string]*Host{}}
	for _, h := range s.hosts() {
		l.hosts[h] = &Host{name: h, ns: s.Name + "-" + h}
	}
	return l
}

// Name is the prefix of the namespaces.
func (l *Lab) Name() string { return l.spec.Name }

// Spec the lab was raised with, completed.
func (l *Lab) Spec() Spec { return l.spec }

// Host returns "lan", "cpe", "core", "net" or one that the topology adds; it
// panics for other names.
func (l *Lab) Host(name string) *Host { return must(l.FindHost(name)) }

// FindHost is Host with an error.
func (l *Lab) FindHost(name string) (*Host, error) {
	if h := l.hosts[name]; h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("no host %q: want one of %q", name, l.spec.hosts())
}

// Hosts returns lan, cpe, what the topology adds, core and net.
func (l *Lab) Hosts() (list []*Host) {
	for _, name := range l.spec.hosts() {
		list = append(list, l.hosts[name])
	}
	return list
}

// Link returns the WAN of that name, or "net" if Spec.ServerLink is set; it
// panics for other names.
func (l *Lab) Link(name string) *Link { return must(l.FindLink(name)) }

// FindLink is Link with an error.
func (l *Lab) FindLink(name string) (*Link, error) {
	for _, link := range l.links {
		if link.name == name {
			return link, nil
		}
	}
	return nil, fmt.Errorf("lab %q has no link %q", l.spec.Name, name)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Links returns the WANs in the order of the spec, then "net" if there is one.
func (l *Lab) Links() []*Link { return l.links }

// Down ends the links, every process on the lab's hosts, and removes all that
// Up made. For a lab got by [Attach] it only lets go of it. Safe to call twice.
func (l *Lab) Down() error {
	l.down.Do(func() {
		if l.process != nil {
			l.err = l.process.stop()
		}
		if l.claim != nil {
			l.err = errors.Join(l.err, removeHosts(l.spec.Name), l.claim.release())
		}
	})
	return l.err
}

// build makes the hosts as planned and starts the links.
func (l *Lab) build() error {
	allowed, err := os.ReadFile("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
	if err != nil {
		return err
	}
	plans := plan(l.spec, strings.Fields(string(allowed)))
	tuns := map[string]*os.File{} // by "host device"
	defer func() {
		for _, f := range tuns { // the link process has its own
			f.Close()
		}
	}()
	for _, name := range l.spec.hosts() {
		if err := l.create(name, plans[name], tuns); err != nil {
			return fmt.Errorf("host %q: %w", name, err)
		}
	}
	for _, name := range []string{"cpe", "core", "cgn", "edge", "lan", "net"} { // veth peers first
		if plans[name] == nil {
			continue
		}
		if err := l.configure(name, plans[name]); err != nil {
			return fmt.Errorf("host %q: %w", name, err)
		}
	}
	l.wire()
	return l.startLinks(tuns)
}

// startLinks hands the TUN devices to a link process.
func (l *Lab) startLinks(tuns map[string]*os.File) (err error) {
	a := assignment{Lab: l.spec.Name, Detached: l.spec.Persistent}
	var files []*os.File
	if !l.spec.PlainWANs {
		for _, w := range l.spec.WANs {
			a.Links = append(a.Links, assignedLink{w.Name, w.Link})
			files = append(files, tuns["cpe "+w.Name], tuns[l.spec.lineEnd(w.Name)+" "+w.Name+"0"])
		}
	}
	if l.spec.ServerLink != nil {
		a.Links = append(a.Links, assignedLink{"net", *l.spec.ServerLink})
		files = append(files, tuns["core net"], tuns["net eth0"])
	}
	if l.process, err = startLinkProcess(a, files, l.claim); err != nil {
		return err
	}
	if a.Detached {
		return l.claim.record(l.process.cmd.Process.Pid, l.spec)
	}
	return nil
}

// wire makes the links' handles.
func (l *Lab) wire() {
	add := func(name string, d driver) { l.links = append(l.links, &Link{name: name, driver: d}) }
	socket := socketPath(l.spec.Name)
	for _, w := range l.spec.WANs {
		if l.spec.PlainWANs {
			add(w.Name, &cable{far: l.hosts[l.spec.lineEnd(w.Name)], dev: w.Name + "0"})
		} else {
			add(w.Name, &remote{socket, w.Name})
		}
	}
	if l.spec.ServerLink != nil {
		add("net", &remote{socket, "net"})
	}
}

// create makes a namespace with its sysctls and TUN devices.
func (l *Lab) create(name string, p *hostPlan, tuns map[string]*os.File) error {
	h := l.hosts[name]
	if err := command("", "ip", "netns", "add", h.ns); err != nil {
		return err
	}
	return h.Do(func() error {
		for _, kv := range p.sysctl {
			path := filepath.Join("/proc/sys/net", kv[0])
			if err := os.WriteFile(path, []byte(kv[1]), 0); err != nil {
				return err
			}
		}
		for _, dev := range p.tun {
			fd, err := openTUN(dev)
			if err != nil {
				return err
			}
			tuns[name+" "+dev] = os.NewFile(uintptr(fd), dev)
		}
		return nil
	})
}

// configure gives a host its addresses, routes, rules and translation.
func (l *Lab) configure(name string, p *hostPlan) error {
	ns := l.hosts[name].ns
	if err := command(p.ip, "ip", "-netns", ns, "-batch", "-"); err != nil {
		return err
	}
	if p.ip6 != "" {
		if err := command(p.ip6, "ip", "-6", "-netns", ns, "-batch", "-"); err != nil {
			return err
		}
	}
	if p.nft == "" {
		return nil
	}
	return command(p.nft, "ip", "netns", "exec", ns, "nft", "-f", "-")
}

// command runs a program with the given input; its output is the error.
func command(input, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
