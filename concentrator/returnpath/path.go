// Package returnpath brings what servers send to addresses that are not this
// host's to the sockets that were bound to them: an nftables table of our own
// marks packets that belong to such a socket, and policy routing delivers what
// is marked. Everything else is forwarded as before.
package returnpath

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/localdelivery"
	"tandem/shared/nftables"
)

// Bits of the marks of packets that are ours to use.
const (
	mark = 0x10000000
	mask = 0x30000000
)

var delivery = localdelivery.Delivery{Table: 5129, Priority: 514, Mark: mark, Mask: mask}

// ruleset finds sockets by the packets' addresses, of ICMP errors by those of
// the packet that they are about, so that path MTU discovery works too.
var ruleset = fmt.Sprintf(`table inet tandem-return
delete table inet tandem-return
table inet tandem-return {
	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		meta l4proto != { tcp, icmp, ipv6-icmp } return
		socket wildcard 1 return
		socket transparent 1 meta mark set meta mark & %#x | %#x
	}
}
`, 0xffffffff^uint32(mask), mark)

// Path is the way back. The zero value is not in place.
type Path struct {
	mu        sync.Mutex
	err       error // why it is not in place; nil before it was asked for
	installed bool
	tried     time.Time
}

// again is how soon something that failed is tried again.
const again = 30 * time.Second

// ErrAbsent says that nobody has asked for it.
var ErrAbsent = errors.New("the way back is not in place")

// Install puts it in place, unless it is, or has failed a moment ago: then
// failed is false.
func (p *Path) Install(ctx context.Context) (err error, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.installed || !p.tried.IsZero() && time.Since(p.tried) < again {
		return p.err, false
	}
	p.tried = time.Now()
	p.err = install(ctx)
	p.installed = p.err == nil
	return p.err, !p.installed
}

func install(ctx context.Context) error {
	if _, err := delivery.Install(); err != nil {
		return explain(err)
	}
	if _, err := nftables.Run(ctx, "", ruleset, "-f", "-"); err != nil {
		_ = delivery.Remove()
		return explain(err)
	}
	return nil
}

// explain says what to do.
func explain(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: it needs CAP_NET_ADMIN, see ADDRESS PRESERVATION in tandem-concentrator(8)", err)
	}
	return err
}

// Err says why addresses that are not this host's cannot be dialled from, nil
// if they can.
func (p *Path) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.installed {
		return nil
	}
	if p.err == nil {
		return ErrAbsent
	}
	return p.err
}

// Remove takes away what Install made, here or in a process that crashed. What
// is not there is no error.
func Remove(ctx context.Context) error {
	_, err := nftables.Run(ctx, "", "table inet tandem-return\ndelete table inet tandem-return\n", "-f", "-")
	if errors.Is(err, nftables.ErrMissing) {
		err = nil // then nobody has made the table
	}
	return errors.Join(err, delivery.Remove())
}

// Remove is [Remove] if this Path is in place.
func (p *Path) Remove(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.installed {
		return nil
	}
	p.installed = false
	return Remove(ctx)
}
