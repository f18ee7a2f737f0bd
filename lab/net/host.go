package labnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
)

// Host is one host of a lab.
type Host struct {
	name string // "lan", "cpe", "core", "net" …
	ns   string
}

// Name is "lan", "cpe", "core", "net" or one that a topology adds.
func (h *Host) Name() string { return h.name }

// Namespace is the name that "ip netns" knows the host by.
func (h *Host) Namespace() string { return h.ns }

// Do runs f in the host's namespace, on the calling goroutine, which is
// locked to its thread meanwhile. Sockets and files under /proc/sys/net that f
// opens belong to the host for their whole life; goroutines that f starts run
// outside of it.
func (h *Host) Do(f func() error) error { return inNamespace(h.ns, f) }

// Command returns a command that will run on the host. The process has the
// pid of the started one ("ip" replaces itself), so signals reach it.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.ns, name}, args...)...)
}

// Run runs a command on the host and returns what it wrote to standard output
// and error, which is also part of the error if it fails.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := h.Command(ctx, name, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s %q: %w: %s", h.name, name, args, err, out)
	}
	return string(out), nil
}

// Dial connects from the host by plain TCP (never MPTCP) or UDP. The address
// must be a literal one: names would be resolved outside of the namespace.
func (h *Host) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial from %q: %w", h.name, err)
	}
	var d net.Dialer
	d.SetMultipathTCP(false)
	err = h.Do(func() (err error) {
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens on the host for plain TCP (Go's own default since 1.24 would
// be MPTCP).
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	err = h.Do(func() (err error) {
		l, err = lc.Listen(context.Background(), network, address)
		return err
	})
	return l, err
}

// ListenPacket listens on the host for datagrams.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = h.Do(func() (err error) {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}
