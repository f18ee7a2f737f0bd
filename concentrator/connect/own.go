package connect

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// Own returns the addresses of this host's interfaces, which clients must not
// reach through it. An address that a provider translates to this host's is
// not among them.
func Own() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("own addresses: %w", err)
	}
	var own []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				own = append(own, addr.Unmap())
			}
		}
	}
	return own, nil
}

// lookAgain is how often the addresses are read whatever the kernel reports:
// it drops reports when its buffer is full.
const lookAgain = time.Minute

// FollowOwn calls set with Own's addresses, now and after each change, until
// ctx ends.
func FollowOwn(ctx context.Context, set func([]netip.Addr)) error {
	reports := make(chan netlink.AddrUpdate, 64)
	done := make(chan struct{})
	defer close(done)
	// Without reports we still look once in a while.
	err := netlink.AddrSubscribeWithOptions(reports, done, netlink.AddrSubscribeOptions{ErrorCallback: func(error) {}})
	if err != nil {
		reports = nil
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		own, err := Own()
		if err == nil {
			set(own)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case _, open := <-reports:
			if !open {
				reports = nil // the subscription broke
			}
			for len(reports) > 0 {
				<-reports
			}
		}
	}
}
