// Package house puts Tandem into the lab: both daemons as real processes in
// their namespaces, servers behind them, and the programs of a LAN host. The
// demo, the benchmarks and the end-to-end tests all live in it.
package house

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	labnet "tandem/lab/net"
	"tandem/lab/servers"
)

// Options say which house to build.
type Options struct {
	Spec     labnet.Spec
	Binaries string // folder of tandem-cpe and tandem-concentrator

	CPE         string // more lines for section tandem 'main' of the CPE's UCI file
	CPESections string // more sections
	// WANOptions has more lines for the sections of lines, by their names.
	WANOptions   map[string]string
	Concentrator string // more lines for the concentrator's TOML file, before its tables
	Tables       string // more tables

	// ByAddress makes the lines' addresses the concentrator's client instead of
	// pairing the two by a key.
	ByAddress bool
	// OnPath has the concentrator stand on the way of the first line and take
	// connections over, instead of pairing the two.
	OnPath bool
	// CPEProgram is run instead of the tandem-cpe of Binaries.
	CPEProgram string
}

// House is a running lab with both daemons.
type House struct {
	*labnet.Lab
	Dir          string // configuration, sockets and logs
	CPE          *Daemon
	Concentrator *Daemon
	Key          string // id of the key of the CPE; empty: it has none
	// CPEUnder is a program with its arguments that starts the CPE's daemon, such
	// as setpriv; empty: it is started directly, as root.
	CPEUnder []string
	// ConcentratorUnder is the same for the concentrator's.
	ConcentratorUnder []string

	options   Options
	others    []*Daemon
	listeners []net.Listener
}

// Addresses of the servers' host and of the LAN hosts, IPv4 and IPv6.
const (
	Server4 = "203.0.113.10"
	Server6 = "2001:db8:f::10"
	// Direct is a LAN host that the house's configuration bypasses: what it
	// does shows the lines without Tandem. By default it uses the DSL line.
	Direct4, Direct6 = "192.0.2.11", "2001:db8:1::11"
	// DirectLTE is another, routed over the second line.
	DirectLTE4 = "192.0.2.12"
)

// Ports of the servers.
const (
	HTTPPort      = 80
	BannerPort    = 22
	EchoPort      = 7
	OneBytePort   = 1
	AfterEndPort  = 8000 // 10 MB after the client's end
	ResetPort     = 8001 // reset after 4 bytes
	ClosedPort    = 8999 // nobody listens
	AfterEndBytes = 10 << 20
)

// Build raises the lab, starts the servers, then both daemons, and waits until
// they serve. Call Close in any case.
func Build(ctx context.Context, o Options) (*House, error) {
	if o.OnPath {
		o.Spec.Topology = labnet.OnPath
	}
	lab, err := labnet.Up(o.Spec)
	if err != nil {
		return nil, err
	}
	h := &House{Lab: lab, options: o}
	h.Dir = filepath.Join(lab.RunDir(), "house")
	if err := os.MkdirAll(h.Dir, 0o755); err != nil {
		return h, err
	}
	if err := h.serve(); err != nil {
		return h, err
	}
	if err := h.routeDirectLTE(ctx); err != nil {
		return h, err
	}
	if err := h.WriteConcentrator(o.Concentrator, o.Tables); err != nil {
		return h, err
	}
	if err := h.WriteCPE(o.CPE, o.CPESections); err != nil {
		return h, err
	}
	if err := h.StartConcentrator(ctx); err != nil {
		return h, err
	}
	if !o.ByAddress && !o.OnPath {
		line, err := h.AddClient(ctx, "house")
		if err == nil {
			err = h.Join(ctx, line)
		}
		if err != nil {
			return h, err
		}
	}
	return h, h.StartCPE(ctx)
}

// ConcentratorHost is where the concentrator runs.
func (h *House) ConcentratorHost() *labnet.Host {
	if h.options.OnPath {
		return h.Host("edge")
	}
	return h.Host("core")
}

// concentrator returns its addresses.
func (h *House) concentrator() (v4, v6 string) {
	if h.options.OnPath {
		return labnet.Edge().V4.String(), labnet.Edge().V6.String()
	}
	return Concentrator4, Concentrator6
}

// StartConcentrator starts the daemon and waits until it serves.
func (h *House) StartConcentrator(ctx context.Context) (err error) {
	h.Concentrator, err = start(ctx, h.ConcentratorHost(), filepath.Join(h.Dir, "concentrator"), h.logFile("concentrator"),
		slices.Concat(h.ConcentratorUnder, []string{h.concentratorProgram(), "run", "--config", h.concentratorFile()})...)
	return err
}

// StartCPE starts the daemon and waits until it serves.
func (h *House) StartCPE(ctx context.Context) (err error) {
	h.CPE, err = start(ctx, h.Host("cpe"), filepath.Join(h.Dir, "cpe"), h.logFile("cpe"),
		slices.Concat(h.CPEUnder, []string{h.cpeProgram(), "run"}, h.cpeFlags())...)
	return err
}

// logFile is where a daemon of a persistent house writes, else empty.
func (h *House) logFile(name string) string {
	if !h.options.Spec.Persistent {
		return ""
	}
	return filepath.Join(h.Dir, name+".log")
}

// Close stops the daemons and takes the lab down.
func (h *House) Close() error {
	var errs []error
	for _, d := range append([]*Daemon{h.CPE, h.Concentrator}, h.others...) {
		if d != nil {
			errs = append(errs, d.Stop(10*time.Second))
		}
	}
	for _, l := range h.listeners {
		l.Close()
	}
	return errors.Join(append(errs, h.Lab.Down())...)
}

// Leave lets go of a persistent house: lab and daemons stay, program (with
// args, run on the servers' host) takes the place of the servers.
func (h *House) Leave(program string, args ...string) error {
	for _, l := range h.listeners {
		l.Close()
	}
	cmd := h.Host("net").Command(context.Background(), program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

// serve starts the servers on the servers' host.
func (h *House) serve() error {
	return Serve(func(addr string, port int) (net.Listener, error) { return h.Listen(addr, port) })
}

// Serve starts all servers, on IPv4 and IPv6, on listeners made by listen.
func Serve(listen func(addr string, port int) (net.Listener, error)) error {
	raw := map[int]func(*net.TCPConn){
		BannerPort: servers.SpeakFirst, EchoPort: servers.Echo, OneBytePort: servers.OneByte,
		AfterEndPort: servers.AfterEnd(AfterEndBytes), ResetPort: servers.ResetAfter(4),
	}
	for _, addr := range []string{Server4, Server6} {
		l, err := listen(addr, HTTPPort)
		if err != nil {
			return err
		}
		go servers.HTTP(l)
		for port, handle := range raw {
			l, err := listen(addr, port)
			if err != nil {
				return err
			}
			go servers.Each(l, handle)
		}
	}
	return nil
}

// Listen opens a listener on the servers' host; Close closes it.
func (h *House) Listen(addr string, port int) (net.Listener, error) {
	l, err := h.Host("net").Listen("tcp", net.JoinHostPort(addr, fmt.Sprint(port)))
	if err == nil {
		h.listeners = append(h.listeners, l)
	}
	return l, err
}

// routeDirectLTE sends one bypassed LAN host over the second line.
func (h *House) routeDirectLTE(ctx context.Context) error {
	if len(h.Spec().WANs) < 2 {
		return nil
	}
	out, err := h.Host("cpe").Command(ctx, "ip", "rule", "add", "from", DirectLTE4, "lookup", "102").CombinedOutput()
	if err != nil {
		return fmt.Errorf("route %s over the second line: %w: %s", DirectLTE4, err, out)
	}
	return nil
}
