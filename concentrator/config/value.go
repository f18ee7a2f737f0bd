package config

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tandem/shared/reverse"
)

// set overwrites a default with what the file says, if it says anything.
func set[T any](dst *T, in *T) {
	if in != nil {
		*dst = *in
	}
}

func (p *parser) count(dst *int, key string, in *int64, low, high int64) {
	if in == nil {
		return
	}
	if *in < low || *in > high {
		p.add(key, "%d is out of range: %d to %d", *in, low, high)
		return
	}
	*dst = int(*in)
}

func (p *parser) number(dst *uint32, key string, in *int64, low, high int64) {
	if in == nil {
		return
	}
	if *in < low || *in > high {
		p.add(key, "%#x is out of range: %#x to %#x", *in, low, high)
		return
	}
	*dst = uint32(*in)
}

func (p *parser) number16(dst *uint16, key string, in int64) {
	if in < 1 || in > 65535 {
		p.add(key, "%d is not a port: 1 to 65535", in)
		return
	}
	*dst = uint16(in)
}

func (p *parser) ports(key string, in []int64) (out []uint16) {
	for i, n := range in {
		var port uint16
		p.number16(&port, element(key, i), n)
		out = append(out, port)
	}
	return out
}

func (p *parser) duration(dst *time.Duration, key string, in *string, low, high time.Duration) {
	if in == nil {
		return
	}
	d, err := time.ParseDuration(*in)
	if err != nil {
		p.add(key, "%q is not a time, such as \"500ms\", \"5s\" or \"2m\"", clip(*in))
		return
	}
	if d < low || d > high {
		p.add(key, "%s is out of range: %s to %s", d, low, high)
		return
	}
	*dst = d
}

// path takes the empty string as "none".
func (p *parser) path(dst *string, key string, in *string) {
	if in == nil {
		return
	}
	if *in != "" && !filepath.IsAbs(*in) || strings.ContainsRune(*in, 0) {
		p.add(key, "%q is not an absolute path", clip(*in))
		return
	}
	*dst = *in
}

func (p *parser) level(dst *slog.Level, key string, in *string) {
	choose(p, dst, key, in,
		choice[slog.Level]{"debug", slog.LevelDebug}, choice[slog.Level]{"info", slog.LevelInfo},
		choice[slog.Level]{"warn", slog.LevelWarn}, choice[slog.Level]{"error", slog.LevelError})
}

// choice is one word that a key may have.
type choice[T any] struct {
	word  string
	value T
}

func choose[T any](p *parser, dst *T, key string, in *string, from ...choice[T]) {
	if in == nil {
		return
	}
	var words []string
	for _, c := range from {
		if c.word == *in {
			*dst = c.value
			return
		}
		words = append(words, strconv.Quote(c.word))
	}
	p.add(key, "%q is not one of %s", clip(*in), strings.Join(words, ", "))
}

// sources reads addresses to dial from, all of one family.
func (p *parser) sources(key string, in []string, v4 bool) (out []netip.Addr) {
	family := map[bool]string{true: "IPv4", false: "IPv6"}[v4]
	for i, s := range in {
		key := element(key, i)
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil || a.Is4() != v4 || a.Is4In6() || a.Zone() != "":
			p.add(key, "%q is not an %s address", clip(s), family)
		case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback():
			p.add(key, "%q cannot be dialled from; leave the key out to let the kernel choose", clip(s))
		case slices.Contains(out, a):
			p.add(key, "%s is given twice", a)
		default:
			out = append(out, a)
		}
	}
	return out
}

// prefixes reads "192.0.2.0/24" and single addresses. Bits behind the prefix
// must be zero: who writes others means another prefix.
func (p *parser) prefixes(key string, in []string) []netip.Prefix {
	var out []netip.Prefix
	for i, s := range in {
		key := element(key, i)
		var pre netip.Prefix
		a, err := netip.ParseAddr(s)
		if err == nil && a.Zone() == "" {
			pre = netip.PrefixFrom(a, a.BitLen())
		} else if pre, err = netip.ParsePrefix(s); err != nil {
			p.add(key, "%q is not an address or prefix, such as \"192.0.2.0/24\" or \"2001:db8::1\"", clip(s))
			continue
		}
		switch {
		case pre.Addr().Is4In6():
			p.add(key, "%q: write IPv4 prefixes as a.b.c.d/n", clip(s))
		case pre != pre.Masked():
			p.add(key, "%q has bits set behind its length; %s is meant?", clip(s), pre.Masked())
		default:
			out = append(out, pre)
		}
	}
	return out
}

// portRanges reads "2222" and "20000-20099".
func (p *parser) portRanges(key string, in []string) (out []reverse.Ports) {
	for i, s := range in {
		ports, err := reverse.ParsePorts(s)
		if err != nil {
			p.add(element(key, i), "%q is not a port or range of ports, such as \"1024-10239\"", clip(s))
			continue
		}
		out = append(out, ports)
	}
	return out
}
