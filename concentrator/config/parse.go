package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"tandem/concentrator/source"
)

// maxFile bounds the file; 10,000 clients take about 1 MB.
const maxFile = 8 << 20

// Load reads the file at path. What is wrong in it comes as *Error values,
// joined when there are several.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(f, path)
}

// Parse is Load for an open file; name is its name in errors.
func Parse(r io.Reader, name string) (*Config, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	if len(text) > maxFile {
		return nil, &Error{File: name, Msg: fmt.Sprintf("file is larger than %d bytes", maxFile)}
	}
	var in raw
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&in); err != nil {
		return nil, decodeFaults(name, err)
	}
	p := parser{faults: faults{file: name, at: index(text)}}
	c := p.config(&in)
	if err := p.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// decodeFaults gives go-toml's errors the shape of ours.
func decodeFaults(name string, err error) error {
	f := faults{file: name}
	var strict *toml.StrictMissingError
	var one *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		for i := range strict.Errors {
			e := &strict.Errors[i]
			line, column := e.Position()
			f.addAt(position{line, column}, "unknown key %q: the sample file lists every key", clip(strings.Join(e.Key(), ".")))
		}
	case errors.As(err, &one):
		line, column := one.Position()
		f.addAt(position{line, column}, "%s", sentence(one))
	default:
		f.addAt(position{}, "%s", err)
	}
	return f.err()
}

// sentence says what go-toml says, without the names of our Go types.
func sentence(e *toml.DecodeError) string {
	s := strings.TrimPrefix(e.Error(), "toml: ")
	if found, _, ok := strings.Cut(s, " into "); ok && strings.HasPrefix(found, "cannot decode TOML ") {
		s = "a value of this kind (" + strings.TrimPrefix(found, "cannot decode TOML ") + ") does not fit here"
		if len(e.Key()) > 0 {
			s = strings.Join(e.Key(), ".") + ": " + s
		}
	}
	return s
}

// parser turns raw into a Config; each method adds the faults it finds.
type parser struct {
	faults
}

func (p *parser) config(in *raw) *Config {
	c := defaults()
	if in.Listen != nil {
		c.Listen = p.listen(in.Listen)
	}
	p.number(&c.Mark, "mark", in.Mark, 0, 1<<32-1)
	set(&c.FastOpen, in.FastOpen)
	p.count(&c.FastOpenQueue, "fast_open_queue", in.FastOpenQueue, 1, 65535)
	p.path(&c.Control, "control", in.Control)
	if in.Control != nil && *in.Control == "" {
		p.add("control", "the control socket needs a path")
	}
	p.path(&c.State, "state", in.State)
	if in.State != nil && *in.State == "" {
		p.add("state", "the clients and their keys need a folder")
	}
	p.advertise(&c.Advertise, in.Advertise)
	p.metrics(&c.Metrics, in.Metrics)
	p.level(&c.Log.Level, "log.level", in.Log.Level)
	p.limits(&c.Limits, &in.Limits)
	c.Connect.Sources = append(p.sources("connect.source4", in.Connect.Source4, true), p.sources("connect.source6", in.Connect.Source6, false)...)
	choose(p, &c.Connect.Source, "connect.source", in.Connect.Source,
		choice[source.Mode]{"shared", source.Shared}, choice[source.Mode]{"preserved", source.Preserved})
	c.Connect.Preserve = p.prefixes("connect.preserve", in.Connect.Preserve)
	p.authorise(&c.Authorise, &in.Authorise)
	p.destinations(&c.Destinations, &in.Destinations)
	c.Clients = p.clients(in.Clients)
	set(&c.BindingLog.Enabled, in.BindingLog.Enabled)
	set(&c.BindingLog.Destinations, in.BindingLog.Destinations)
	p.count(&c.BindingLog.Block, "binding_log.block", in.BindingLog.Block, 0, 4096)
	if in.Forward.Ports != nil {
		c.Forward.Ports = p.portRanges("forward.ports", in.Forward.Ports)
	}
	p.onPath(&c.OnPath, &in.OnPath)
	p.collisions(c)
	c.Warnings = warnings(c)
	return c
}

// metrics takes the empty string as "nowhere".
func (p *parser) metrics(dst *netip.AddrPort, in *string) {
	if in == nil {
		return
	}
	*dst = netip.AddrPort{}
	if *in == "" {
		return
	}
	a, err := netip.ParseAddrPort(*in)
	if err != nil || a.Port() == 0 {
		p.add("metrics", "%q is not an IP address with a port, such as \"127.0.0.1:5126\"", clip(*in))
		return
	}
	*dst = a
}

func (p *parser) listen(in []string) []netip.AddrPort {
	if len(in) == 0 {
		p.add("listen", "needs at least one address, such as \"0.0.0.0:5124\"")
	}
	var out []netip.AddrPort
	seen := make(map[netip.AddrPort]bool)
	for i, s := range in {
		key := fmt.Sprintf("listen[%d]", i)
		a, err := netip.ParseAddrPort(s)
		switch {
		case err != nil || a.Port() == 0:
			p.add(key, "%q is not an IP address with a port, such as \"0.0.0.0:5124\" or \"[::]:5124\"", clip(s))
		case a.Addr().Is4In6():
			p.add(key, "%q: write the IPv4 address as %s", clip(s), a.Addr().Unmap())
		case seen[a]:
			p.add(key, "%q is given twice", clip(s))
		}
		seen[a] = true
		out = append(out, a)
	}
	return out
}

func (p *parser) limits(l *Limits, in *rawLimits) {
	p.count(&l.MaxConnections, "limits.max_connections", in.MaxConnections, 1, 10_000_000)
	p.count(&l.MaxPending, "limits.max_pending", in.MaxPending, 1, 1_000_000)
	p.count(&l.MaxPendingPerSource, "limits.max_pending_per_source", in.MaxPendingPerSource, 1, 1_000_000)
	p.count(&l.FailuresPerMinute, "limits.failures_per_minute", in.FailuresPerMinute, 0, 1_000_000)
	p.count(&l.MaxSetups, "limits.max_setups", in.MaxSetups, 1, 1_000_000)
	p.count(&l.MaxNonces, "limits.max_nonces", in.MaxNonces, 1024, 100_000_000)
	p.duration(&l.RequestTimeout, "limits.request_timeout", in.RequestTimeout, 100*time.Millisecond, time.Minute)
	p.duration(&l.ConnectTimeout, "limits.connect_timeout", in.ConnectTimeout, time.Second, 5*time.Minute)
	p.count(&l.MaxParked, "limits.max_parked", in.MaxParked, 0, 10_000_000)
	p.count(&l.MaxParkedPerClient, "limits.max_parked_per_client", in.MaxParkedPerClient, 0, 1_000_000)
	p.duration(&l.ParkTimeout, "limits.park_timeout", in.ParkTimeout, time.Minute, 24*time.Hour)
	p.duration(&l.DrainTimeout, "limits.drain_timeout", in.DrainTimeout, 0, time.Hour)
	p.duration(&l.HandoverTimeout, "limits.handover_timeout", in.HandoverTimeout, 0, 30*24*time.Hour)
}

func (p *parser) authorise(a *Authorise, in *rawAuthorise) {
	choose(p, &a.Cookie, "authorise.cookie", in.Cookie,
		choice[CookieMode]{"none", CookieNone}, choice[CookieMode]{"computed", CookieComputed})
	p.duration(&a.CookieLifetime, "authorise.cookie_lifetime", in.CookieLifetime, time.Minute, 30*24*time.Hour)
	p.path(&a.CookieSecretFile, "authorise.cookie_secret_file", in.CookieSecretFile)
	choose(p, &a.Strangers, "authorise.strangers", in.Strangers,
		choice[Strangers]{"silent", StrangersSilent}, choice[Strangers]{"error", StrangersError})
}

func (p *parser) destinations(d *Destinations, in *rawDestinations) {
	set(&d.AllowPrivate, in.AllowPrivate)
	d.Allow = p.prefixes("destinations.allow", in.Allow)
	d.Deny = p.prefixes("destinations.deny", in.Deny)
	if in.DenyPorts != nil {
		d.DenyPorts = p.ports("destinations.deny_ports", in.DenyPorts)
	}
}

func warnings(c *Config) (out []string) {
	if a := c.Metrics.Addr(); a.IsValid() && !a.IsLoopback() {
		out = append(out, fmt.Sprintf("metrics on %s: who can reach it learns the clients' names and what they move", c.Metrics))
	}
	for _, cl := range c.Clients {
		for _, s := range cl.Sources {
			if s.Bits() == 0 && len(cl.Cookies) == 0 {
				out = append(out, fmt.Sprintf("client %q: source %s without a cookie lets anyone on the Internet relay through this host", cl.Name, s))
			}
		}
	}
	if c.Authorise.Cookie == CookieComputed && c.Authorise.CookieSecretFile == "" {
		out = append(out, "authorise.cookie_secret_file is not set: cookies handed out before a restart are refused after it")
	}
	if c.BindingLog.Block > 0 && len(c.Connect.Sources) == 0 {
		out = append(out, "binding_log.block without connect.source4 or source6: the log cannot name the address, since the kernel chooses it")
	}
	if c.Connect.Source == source.Preserved && len(c.Connect.Preserve) == 0 {
		out = append(out, "connect.source = \"preserved\" without connect.preserve: no router's address may be dialled with, so only clients with prefixes of their own keep theirs")
	}
	if l := c.Limits; l.MaxPendingPerSource > l.MaxPending {
		out = append(out, "limits.max_pending_per_source is above limits.max_pending and never applies")
	}
	return append(out, onPathWarnings(c)...)
}
