package clients

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unicode"

	"tandem/concentrator/limits"
	"tandem/concentrator/source"
	"tandem/shared/credential"
)

// Client is one CPE that may use the concentrator. One that came out of a
// store is shared: it must not be changed.
type Client struct {
	Name    string         `json:"name"`
	Enabled bool           `json:"enabled"`
	Note    string         `json:"note,omitempty"`
	Created time.Time      `json:"created"`
	Keys    []Key          `json:"keys"` // the one in use, then the next one during a rotation
	Limits  limits.Limits  `json:"limits"`
	Allow   []netip.Prefix `json:"allow,omitempty"` // destinations beyond what all clients may reach
	Deny    []netip.Prefix `json:"deny,omitempty"`  // destinations refused, whatever is allowed
	// AllowPorts are destination ports refused to others, such as 25 for mail.
	AllowPorts []uint16 `json:"allow_ports,omitempty"`
	// Forwards are ports of the concentrator whose connections go to the client.
	Forwards []Forward `json:"forwards,omitempty"`
	// Source says from which address servers are dialled; empty: as the
	// configuration says for all. Prefixes are the addresses that are the
	// client's alone, routed through this host.
	Source   source.Mode    `json:"source,omitempty"`
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
}

// Key is what a client shows that it is the client.
type Key struct {
	ID        KeyID          `json:"id"`
	Secret    credential.Key `json:"-"`
	Created   time.Time      `json:"created"`
	FirstUsed time.Time      `json:"first_used,omitzero"` // zero: not yet
}

// KeyID says which key a message is authenticated with. It is no secret.
type KeyID = credential.KeyID

// newKey makes a key.
func newKey(now time.Time) Key {
	id, secret := credential.NewKey()
	return Key{ID: id, Secret: secret, Created: stamp(now)}
}

// stamp is a time as files hold it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

const (
	maxName     = 64
	maxNote     = 500
	maxPrefixes = 256
	maxPorts    = 256
	maxKeys     = 2
)

// CheckName says why a name cannot be a client's: 1 to 64 of a to z, 0 to 9,
// dot, dash and underscore, the first a letter or digit. So it is safe as a
// file's name, in a log and as an argument.
func CheckName(name string) error {
	ok := len(name) >= 1 && len(name) <= maxName
	for i := 0; i < len(name) && ok; i++ {
		b := name[i]
		letter := b >= 'a' && b <= 'z' || b >= '0' && b <= '9'
		ok = letter || i > 0 && (b == '.' || b == '-' || b == '_')
	}
	if !ok {
		return fmt.Errorf("client name %q: 1 to %d of a to z, 0 to 9, dot, dash and underscore, the first a letter or digit", clip(name), maxName)
	}
	return nil
}

// check returns all that is wrong with c, joined.
func (c *Client) check() error {
	errs := []error{CheckName(c.Name)}
	if len(c.Note) > maxNote {
		errs = append(errs, fmt.Errorf("note: longer than %d bytes", maxNote))
	}
	if slices.ContainsFunc([]rune(c.Note), func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }) {
		errs = append(errs, errors.New("note: one line of text is allowed, without control characters"))
	}
	switch {
	case len(c.Keys) == 0:
		errs = append(errs, errors.New("key: a client needs one"))
	case len(c.Keys) > maxKeys:
		errs = append(errs, fmt.Errorf("key: at most %d, the one in use and the next one", maxKeys))
	case len(c.Keys) == 2 && c.Keys[0].ID == c.Keys[1].ID:
		errs = append(errs, fmt.Errorf("key: %s is given twice", c.Keys[0].ID))
	case slices.ContainsFunc(c.Keys, func(k Key) bool { return k.Secret.IsZero() }):
		errs = append(errs, errors.New("key: a secret of zeros is none"))
	}
	errs = append(errs, checkForwards(c.Forwards), source.Check(c.Source, c.Prefixes), c.Limits.Check(), checkPrefixes("allow", c.Allow), checkPrefixes("deny", c.Deny))
	if len(c.AllowPorts) > maxPorts || slices.Contains(c.AllowPorts, 0) {
		errs = append(errs, fmt.Errorf("allow_ports: up to %d ports from 1 to 65535", maxPorts))
	}
	return errors.Join(errs...)
}

func checkPrefixes(what string, list []netip.Prefix) error {
	if len(list) > maxPrefixes {
		return fmt.Errorf("%s: more than %d prefixes", what, maxPrefixes)
	}
	for _, p := range list {
		switch {
		case !p.IsValid():
			return fmt.Errorf("%s: not a prefix", what)
		case p.Addr().Is4In6():
			return fmt.Errorf("%s: %s: write IPv4 prefixes as a.b.c.d/n", what, p)
		case p != p.Masked():
			return fmt.Errorf("%s: %s has bits set behind its length; %s is meant?", what, p, p.Masked())
		}
	}
	return nil
}

// ParsePrefix reads "192.0.2.0/24" or a single address.
func ParsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is not an address or prefix, such as \"192.0.2.0/24\" or \"2001:db8::1\"", clip(s))
	}
	return p, nil
}

// rotate puts key beside the one in use, or in place of all there are. A next
// key that has not been used yet is replaced: its line was lost.
func (c *Client) rotate(key Key, atOnce bool) {
	if atOnce {
		c.Keys = []Key{key}
		return
	}
	c.Keys = []Key{c.Keys[0], key}
}

// used notes that the client has shown the key id, and drops the keys before
// it. It tells whether that changed anything.
func (c *Client) used(id KeyID, at time.Time) bool {
	i := slices.IndexFunc(c.Keys, func(k Key) bool { return k.ID == id })
	if i < 0 || i == 0 && !c.Keys[0].FirstUsed.IsZero() {
		return false
	}
	c.Keys = slices.Clone(c.Keys[i:])
	if c.Keys[0].FirstUsed.IsZero() {
		c.Keys[0].FirstUsed = stamp(at)
	}
	return true
}

// clone returns a copy that may be changed.
func (c *Client) clone() *Client {
	d := *c
	d.Keys = slices.Clone(c.Keys)
	d.Allow = slices.Clone(c.Allow)
	d.Deny = slices.Clone(c.Deny)
	d.AllowPorts = slices.Clone(c.AllowPorts)
	d.Forwards = slices.Clone(c.Forwards)
	d.Prefixes = slices.Clone(c.Prefixes)
	return &d
}

// clip keeps a message short whatever it quotes.
func clip(s string) string {
	if len(s) > 20 {
		return s[:20] + "..."
	}
	return s
}
