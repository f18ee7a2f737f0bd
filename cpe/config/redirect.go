package config

import (
	"fmt"
	"net/netip"

	"tandem/shared/nocmp"
	"tandem/shared/reverse"
)

// Redirect lets connections from outside, to ports of a concentrator, in to a
// LAN host. The options are called as in /etc/config/firewall.
type Redirect struct {
	Name   string        // of the section; may be empty
	Ports  reverse.Ports // src_dport: of the concentrator
	Host   netip.Addr    // dest_ip
	Port   uint16        // dest_port: of the LAN host, for the first of Ports
	Router bool          // source: the LAN host sees this router's address, not the remote host's
}

// Target is where a connection to one of the ports goes.
func (r Redirect) Target(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(r.Host, r.Port+port-r.Ports.First)
}

type rawRedirect struct {
	_ nocmp.Field
	header
	Enabled  *value `uci:"enabled"`
	SrcPort  *value `uci:"src_dport"`
	DestIP   *value `uci:"dest_ip"`
	DestPort *value `uci:"dest_port"`
	Source   *value `uci:"source"`
}

func (r *rawFile) addRedirects(f *faults, c *Config) {
	lines := map[int]int{} // of each port in use
	for _, raw := range r.redirects {
		enabled := true
		take(f, &enabled, raw.Enabled, parseBool)
		one := raw.redirect(f)
		if !enabled {
			continue
		}
		for port := int(one.Ports.First); port <= int(one.Ports.Last) && port > 0; port++ {
			if first := lines[port]; first != 0 {
				f.add(raw.line, "%v: port %d is the redirect's of line %d already", raw.header, port, first)
				break
			}
			lines[port] = raw.line
		}
		c.Redirects = append(c.Redirects, one)
		if len(c.Redirects) == reverse.MaxWanted+1 {
			f.add(raw.line, "%v: at most %d redirects may be enabled", raw.header, reverse.MaxWanted)
		}
	}
}

func (r *rawRedirect) redirect(f *faults) Redirect {
	one := Redirect{Name: r.name}
	if r.SrcPort == nil || r.DestIP == nil {
		f.add(r.line, "%v: needs option src_dport, a port of the concentrator, and option dest_ip, a LAN host", r.header)
	}
	take(f, &one.Ports, r.SrcPort, parseForwarded)
	one.Port = one.Ports.First
	take(f, &one.Host, r.DestIP, parseAddress)
	take(f, &one.Port, r.DestPort, parsePort)
	take(f, &one.Router, r.Source, choice(map[string]bool{"remote": false, "router": true}))
	if int(one.Port)+int(one.Ports.Last-one.Ports.First) > 65535 {
		f.add(r.line, "%v: %s from port %d on goes beyond port 65535", r.header, one.Ports, one.Port)
	}
	return one
}

// maxRedirectPorts is how many ports one redirect can have.
const maxRedirectPorts = 256

func parseForwarded(s string) (reverse.Ports, error) {
	p, err := parsePortRange(s)
	if err == nil && p.Last-p.First >= maxRedirectPorts {
		err = fmt.Errorf("%q are more than %d ports", clip(s), maxRedirectPorts)
	}
	return reverse.Ports{First: p.First, Last: p.Last}, err
}
