// Package lookup finds the addresses of a host name, for the one time that a
// router is paired with a concentrator that is named instead of numbered. It
// asks the name servers of /etc/resolv.conf, as package net would, whose
// resolver would add 0.26 MB to a program that fits a router's flash.
package lookup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"tandem/shared/random"
)

// Resolver asks name servers. The zero Resolver is the system's.
type Resolver struct {
	Servers []netip.AddrPort // nil: those of /etc/resolv.conf
	Timeout time.Duration    // of one question; 0: 2 s
}

const (
	defaultTimeout = 2 * time.Second
	rounds         = 2 // each server is asked so often
)

// Addresses returns the IPv4 and IPv6 addresses of host.
func (r Resolver) Addresses(host string) ([]netip.Addr, error) {
	servers := r.Servers
	if servers == nil {
		text, err := os.ReadFile("/etc/resolv.conf")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		servers = nameServers(string(text))
	}
	var all []netip.Addr
	var last error
	for _, kind := range []uint16{typeA, typeAAAA} {
		addrs, err := r.ask(servers, host, kind)
		all = append(all, addrs...)
		last = errors.Join(last, err)
	}
	if len(all) > 0 {
		return all, nil
	}
	if last == nil {
		last = errors.New("it has no address")
	}
	return nil, fmt.Errorf("look up %q: %w", host, last)
}

// ask asks the servers in turn until one answers.
func (r Resolver) ask(servers []netip.AddrPort, host string, kind uint16) (addrs []netip.Addr, err error) {
	err = errors.New("no name server is known")
	for range rounds {
		for _, server := range servers {
			addrs, err = r.askOne(server, host, kind)
			if err == nil || errors.Is(err, errNoName) {
				return addrs, err
			}
		}
	}
	return nil, err
}

func (r Resolver) askOne(server netip.AddrPort, host string, kind uint16) ([]netip.Addr, error) {
	c, err := dial(server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	timeout := r.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	_ = c.SetDeadline(time.Now().Add(timeout))
	var id [2]byte
	random.Read(id[:])
	query, err := appendQuery(nil, binary.BigEndian.Uint16(id[:]), host, kind)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, maxAnswer)
	for {
		n, err := c.Read(buf)
		if err != nil && err != io.EOF { // a file calls an empty packet that
			return nil, err
		}
		addrs, err := parseAnswer(buf[:n], query)
		if err != errMessage { // else not an answer to us: wait on
			return addrs, err
		}
	}
}

// nameServers reads resolv.conf(5); without any the local host is asked.
func nameServers(text string) (servers []netip.AddrPort) {
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		if len(w) < 2 || w[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(w[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(a, 53))
		}
	}
	if servers == nil {
		servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)}
	}
	return servers
}
