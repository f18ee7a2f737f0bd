package bindlog

import (
	"errors"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Book gives connections to servers their ports and records them. A nil Book
// does neither: the kernel chooses ports.
type Book struct {
	Ports        Allocator        // nil: the kernel chooses, without a quarantine
	Log          Log              // nil: nothing is recorded
	Destinations bool             // record where connections went
	Now          func() time.Time // nil: time.Now
}

// Allocator gives clients ports: [Ports] or [Blocks].
type Allocator interface {
	// Pick gives client a port for a new connection from the address from.
	Pick(client string, from netip.Addr) (port uint16, ok bool)
	// Release ends one use of a picked port.
	Release(client string, local netip.AddrPort)
	// Who returns the client that has a port, and whether it uses it now.
	Who(external netip.AddrPort) (client string, inUse, ok bool)
	// Save and Restore carry over to the next run whose the ports are. serving:
	// the run before keeps its connections, until Returned is called.
	Save(folder string) error
	Restore(folder string, serving bool) error
	Returned()
}

// Binding is one connection's use of an external port, until End.
type Binding struct {
	book     *Book
	record   Record
	held     netip.AddrPort // as Ports knows it; port 0: not from there
	finished atomic.Bool
}

// attempts is how many ports are tried for one connection. A port fails when
// the client used it towards the same server within the last minute (the
// kernel's TIME_WAIT), or when another program has it.
const attempts = 16

// Dial calls dial with a port of the client's, to be set by [SetPort] (0: the
// kernel chooses), which returns the address and port it got, and again with another while that port cannot be used. from
// is the address that dial will dial from, not valid if the kernel chooses it.
//
// Call End when the connection has ended. A failed dial is recorded here, if a
// packet may have left.
func (b *Book) Dial(client string, from netip.Addr, dst netip.AddrPort, dial func(port uint16) (local netip.AddrPort, err error)) (*Binding, error) {
	if b == nil || b.Ports == nil && b.Log == nil {
		_, err := dial(0)
		return nil, err
	}
	if !from.IsValid() {
		from = netip.IPv4Unspecified()
		if dst.Addr().Unmap().Is6() {
			from = netip.IPv6Unspecified()
		}
	}
	start := b.now()
	held := make([]netip.AddrPort, 0, 1)
	for {
		here := netip.AddrPortFrom(from, 0)
		if b.Ports != nil {
			port, ok := b.Ports.Pick(client, from)
			if !ok {
				b.release(client, held)
				return nil, ErrNoPort
			}
			here = netip.AddrPortFrom(from, port)
			held = append(held, here)
		}
		external, err := dial(here.Port())
		if unusable(err) && here.Port() != 0 && len(held) < attempts {
			continue // still held, so that the next is another one
		}
		record := Record{Client: client, External: here, Start: start}
		if b.Destinations {
			record.Destination = dst
		}
		if err != nil {
			b.release(client, held)
			if b.Log != nil && here.Port() != 0 && !local(err) {
				record.End = b.now()
				b.Log.Record(record)
			}
			return nil, err
		}
		if here.Port() != 0 {
			b.release(client, held[:len(held)-1])
		}
		record.External = external
		return &Binding{book: b, record: record, held: here}, nil
	}
}

// ErrNoPort says that other clients have all ports of the address.
var ErrNoPort = errors.New("all ports are other clients'")

// External is the address and port that the connection is seen from.
func (b *Binding) External() netip.AddrPort { return b.record.External }

// End records the connection and gives its port back. Only the first call
// counts; a nil Binding has nothing to do.
func (b *Binding) End() {
	if b == nil || b.finished.Swap(true) {
		return
	}
	if b.held.Port() != 0 {
		b.book.Ports.Release(b.record.Client, b.held)
	}
	if b.book.Log != nil {
		r := b.record
		r.End = b.book.now()
		b.book.Log.Record(r)
	}
}

func (b *Book) release(client string, held []netip.AddrPort) {
	for _, h := range held {
		b.Ports.Release(client, h)
	}
}

func (b *Book) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// unusable says that connect(2) could not use the port. From bind(2), which
// was not given any, the same error is about the address.
func unusable(err error) bool {
	var call *os.SyscallError
	if errors.As(err, &call) && call.Syscall == "bind" {
		return false
	}
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EADDRINUSE)
}

// local says that no packet left: this host refused by itself.
func local(err error) bool {
	for _, errno := range []unix.Errno{unix.EADDRNOTAVAIL, unix.EADDRINUSE, unix.EMFILE, unix.ENFILE, unix.ENOBUFS,
		unix.ENOMEM, unix.EAGAIN, unix.ENETUNREACH, unix.EPERM, unix.EACCES, unix.EINVAL, unix.ENOPROTOOPT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
