// Package forward listens for connections from outside that are clients': on
// the ports which the operator gave them, and of those without a destination
// on the ones that the client asks for.
package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tandem/concentrator/clients"
	"tandem/shared/reverse"
)

// MaxPorts is on how many ports one client's connections are taken.
const MaxPorts = 256

// Port is one port that is open for a client.
type Port struct {
	Client string
	Number uint16
	To     netip.AddrPort // LAN host; not valid: the client knows
}

// Listeners keeps the listeners that clients' ports need, from Start to Close.
// Its functions must be set; its methods are safe for concurrent use.
type Listeners struct {
	Log *slog.Logger
	// Addresses returns the addresses to listen on for a client.
	Addresses func(client string) []netip.Addr
	// May says why a port cannot be a client's, whatever its file says.
	May  func(reverse.Ports) error
	Mark uint32 // SO_MARK; 0: none

	mu     sync.Mutex
	serve  func(remote *net.TCPConn, p Port)
	grants []grant
	wanted map[string][]reverse.Ports
	open   map[listening]net.Listener
	failed map[listening]string // what was said about it
}

type grant struct {
	client string
	clients.Forward
}

// listening is what a listener is for.
type listening struct {
	at netip.AddrPort
	Port
}

// Grant takes the ports of all clients; those of before that are not among them
// are closed. Connections there are stay.
func (l *Listeners) Grant(all []*clients.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grants = l.grants[:0]
	for _, c := range all {
		for _, f := range c.Forwards {
			if !c.Enabled {
				continue
			}
			err := l.May(f.Ports)
			for _, have := range l.grants {
				if have.Ports.Overlaps(f.Ports) {
					err = fmt.Errorf("port %s is client %q's", have.Ports, have.client)
				}
			}
			if err != nil {
				l.Log.Warn("a port is not forwarded", "client", c.Name, "port", f.Ports, "reason", err)
				continue
			}
			l.grants = append(l.grants, grant{c.Name, f})
		}
	}
	l.settle()
}

// Want is called with what a client asks for, each time it says so.
func (l *Listeners) Want(client string, ports []reverse.Ports) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Equal(l.wanted[client], ports) {
		return
	}
	if l.wanted == nil {
		l.wanted = make(map[string][]reverse.Ports)
	}
	if l.wanted[client] = ports; len(ports) == 0 {
		delete(l.wanted, client)
	}
	for _, p := range ports {
		covered := func(g grant) bool { return g.client == client && g.Ports.First <= p.First && p.Last <= g.Ports.Last }
		if !slices.ContainsFunc(l.grants, covered) {
			l.Log.Warn("a client asks for ports that are not its own", "client", client, "port", p,
				"hint", "tandem-concentrator client forward add "+client+" "+p.String())
		}
	}
	l.settle()
}

// Start opens what is to be open from now on. serve takes each connection over
// and must not block.
func (l *Listeners) Start(serve func(remote *net.TCPConn, p Port)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serve, l.open, l.failed = serve, make(map[listening]net.Listener), make(map[listening]string)
	l.settle()
}

// Close closes all listeners.
func (l *Listeners) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grants = nil
	l.settle()
	l.serve = nil
}

// settle opens and closes what is to be. It is called with mu held.
func (l *Listeners) settle() {
	if l.serve == nil {
		return
	}
	should := make(map[listening]bool)
	count := make(map[string]int)
	for _, g := range l.grants {
		for number := int(g.Ports.First); number <= int(g.Ports.Last) && count[g.client] < MaxPorts; number++ {
			port := uint16(number)
			if !g.To.IsValid() && !slices.ContainsFunc(l.wanted[g.client], func(p reverse.Ports) bool { return p.Has(port) }) {
				continue
			}
			count[g.client]++
			for _, a := range l.Addresses(g.client) {
				should[listening{netip.AddrPortFrom(a, port), Port{g.client, port, g.Target(port)}}] = true
			}
		}
	}
	for have, listener := range l.open {
		if !should[have] {
			listener.Close()
			delete(l.open, have)
		}
	}
	for have := range l.failed {
		if !should[have] {
			delete(l.failed, have)
		}
	}
	for want := range should {
		if l.open[want] == nil {
			l.listen(want)
		}
	}
}

func (l *Listeners) listen(want listening) {
	config := net.ListenConfig{Control: l.prepare}
	config.SetMultipathTCP(false) // who comes speaks plain TCP
	network := "tcp4"
	if want.at.Addr().Is6() {
		network = "tcp6"
	}
	listener, err := config.Listen(context.Background(), network, want.at.String())
	if err != nil {
		if why := reason(err); l.failed[want] != why {
			l.failed[want] = why
			l.Log.Warn("a port cannot be opened for a client", "client", want.Client, "address", want.at, "reason", why)
		}
		return
	}
	delete(l.failed, want)
	l.open[want] = listener
	go l.accept(listener.(*net.TCPListener), want.Port, l.serve)
}

func (l *Listeners) prepare(_, _ string, c syscall.RawConn) error {
	var err error
	cerr := c.Control(func(fd uintptr) {
		if l.Mark != 0 {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(l.Mark))
		}
	})
	return errors.Join(cerr, err)
}

// reason leaves out what the log line says anyway.
func reason(err error) string {
	switch {
	case errors.Is(err, unix.EACCES):
		return "ports below 1024 need CAP_NET_BIND_SERVICE"
	case errors.Is(err, unix.EADDRINUSE):
		return "another program has it"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "this host does not have the address"
	}
	return err.Error()
}

func (l *Listeners) accept(listener *net.TCPListener, p Port, serve func(*net.TCPConn, Port)) {
	for {
		c, err := listener.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of descriptors: the kernel keeps it until some are free.
			l.Log.Debug("cannot accept a connection from outside", "port", p.Number, "err", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		serve(c, p)
	}
}
