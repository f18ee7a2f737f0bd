package config

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

const (
	maxName = 64
	// A shorter cookie could be guessed; a longer one may not fit the SYN
	// beside the rest of the request.
	minCookie = 16
	maxCookie = 256
)

// clients reads all [[client]] tables. What tells clients apart must be
// distinct, or it would depend on the order in the file who is billed.
func (p *parser) clients(in []rawClient) []Client {
	var out []Client
	names := make(map[string]bool)
	sources := make(map[netip.Prefix]string)
	cookies := make(map[string]string)
	for i := range in {
		r, at := &in[i], fmt.Sprintf("client[%d]", i)
		c := Client{Name: p.clientName(at, r.Name)}
		if names[c.Name] {
			p.add(at+".name", "client %q is given twice", c.Name)
		}
		if c.Name != "" {
			names[c.Name] = true
		}
		c.Sources = p.prefixes(at+".sources", r.Sources)
		for j, s := range c.Sources {
			if other, ok := sources[s]; ok {
				p.add(fmt.Sprintf("%s.sources[%d]", at, j), "%s belongs to client %q already", s, other)
			}
			sources[s] = c.Name
		}
		for j, text := range r.Cookies {
			key := fmt.Sprintf("%s.cookies[%d]", at, j)
			b := p.cookie(key, text)
			if other, ok := cookies[string(b)]; ok && b != nil {
				p.add(key, "this cookie belongs to client %q already", other)
			}
			cookies[string(b)] = c.Name
			c.Cookies = append(c.Cookies, b)
		}
		if len(r.Sources) == 0 && len(r.Cookies) == 0 {
			p.add(at, "client %q needs sources, cookies or both", c.Name)
		}
		out = append(out, c)
	}
	return out
}

func (p *parser) clientName(at string, in *string) string {
	if in == nil || *in == "" {
		p.add(at, "a client needs a name")
		return ""
	}
	bad := strings.ContainsFunc(*in, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
	if bad || len(*in) > maxName {
		p.add(at+".name", "name %q: at most %d letters, digits, dots, dashes and underscores", clip(*in), maxName)
		return ""
	}
	return *in
}

// cookie never puts the value into an error: it is a secret. Values in a
// Cookie TLV are multiples of four bytes long.
func (p *parser) cookie(key, text string) []byte {
	b, err := hex.DecodeString(text)
	switch {
	case err != nil:
		p.add(key, "a cookie is written in hexadecimal digits, two a byte")
	case len(b) < minCookie || len(b) > maxCookie || len(b)%4 != 0:
		p.add(key, "a cookie has %d to %d bytes, a multiple of 4; this one has %d", minCookie, maxCookie, len(b))
	default:
		return b
	}
	return nil
}
