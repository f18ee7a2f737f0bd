package clients

import (
	"fmt"
	"net/netip"
	"slices"

	"tandem/shared/convert"
	"tandem/shared/reverse"
)

// Forward gives ports of the concentrator to a client. Where To is set, the
// first of them leads to that LAN host and port, the others to the ports behind
// it; else the client says which of them it wants, and where they lead.
type Forward struct {
	Ports reverse.Ports  `json:"ports"`
	To    netip.AddrPort `json:"to,omitzero"`
}

// Target is where connections to one of the ports go; not valid: the client
// knows.
func (f Forward) Target(port uint16) netip.AddrPort {
	if !f.To.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(f.To.Addr(), f.To.Port()+port-f.Ports.First)
}

const maxForwards = 64

func checkForwards(list []Forward) error {
	if len(list) > maxForwards {
		return fmt.Errorf("forward: more than %d", maxForwards)
	}
	for i, f := range list {
		switch {
		case f.Ports.First == 0 || f.Ports.Last < f.Ports.First:
			return fmt.Errorf("forward: %s are no ports", f.Ports)
		case slices.ContainsFunc(list[:i], func(g Forward) bool { return g.Ports.Overlaps(f.Ports) }):
			return fmt.Errorf("forward: %s is given twice", f.Ports)
		case f.To == netip.AddrPort{}:
		case convert.Forbidden(f.To.Addr()) || f.To.Addr().Zone() != "" || f.To.Port() == 0:
			return fmt.Errorf("forward: %s is not a LAN host and port", f.To)
		case int(f.To.Port())+int(f.Ports.Last-f.Ports.First) > 65535:
			return fmt.Errorf("forward: %s from port %d on goes beyond port 65535", f.Ports, f.To.Port())
		}
	}
	return nil
}

// AddForward gives ports to the client. It fails for ports that another client
// has.
func (f *Folder) AddForward(name string, add Forward) (*Client, error) {
	all, _, err := f.List()
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		for _, have := range c.Forwards {
			if c.Name != name && have.Ports.Overlaps(add.Ports) {
				return nil, fmt.Errorf("port %s is client %q's", have.Ports, c.Name)
			}
		}
	}
	return f.Update(name, func(c *Client) error {
		c.Forwards = append(c.Forwards, add)
		return nil
	})
}

// RemoveForward takes ports away that were given with the same range.
func (f *Folder) RemoveForward(name string, ports reverse.Ports) (*Client, error) {
	return f.Update(name, func(c *Client) error {
		before := len(c.Forwards)
		c.Forwards = slices.DeleteFunc(c.Forwards, func(have Forward) bool { return have.Ports == ports })
		if len(c.Forwards) == before {
			return fmt.Errorf("client %q has no forward of port %s", name, ports)
		}
		return nil
	})
}
