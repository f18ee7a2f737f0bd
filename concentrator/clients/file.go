package clients

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"tandem/concentrator/limits"
	"tandem/concentrator/source"
	"tandem/shared/credential"
	"tandem/shared/reverse"
)

const (
	suffix  = ".toml"
	maxFile = 64 << 10
)

// header stands above each file.
const header = `# A client of tandem-concentrator. It holds a secret: whoever reads it can be
# this client. "tandem-concentrator client" rewrites it, without comments.

`

// rawFile mirrors the file. A nil pointer or slice is a key that was not given.
type rawFile struct {
	Name       *string      `toml:"name"`
	Enabled    *bool        `toml:"enabled"`
	Note       *string      `toml:"note,omitempty"`
	Created    *time.Time   `toml:"created,omitempty"`
	Allow      []string     `toml:"allow,omitempty"`
	Deny       []string     `toml:"deny,omitempty"`
	AllowPorts []int64      `toml:"allow_ports,omitempty"`
	Source     *string      `toml:"source,omitempty"`
	Prefixes   []string     `toml:"prefixes,omitempty"`
	Keys       []rawKey     `toml:"key"`
	Forwards   []rawForward `toml:"forward,omitempty"`
	Limits     rawLimits    `toml:"limits,omitempty"`
}

type rawKey struct {
	ID        *string    `toml:"id"`
	Secret    *string    `toml:"secret"`
	Created   *time.Time `toml:"created,omitempty"`
	FirstUsed *time.Time `toml:"first_used,omitempty"`
}

type rawForward struct {
	Ports *string `toml:"ports"`
	To    *string `toml:"to,omitempty"`
}

type rawLimits struct {
	Connections  *int64   `toml:"connections,omitempty"`
	NewPerSecond *int64   `toml:"new_per_second,omitempty"`
	UpMbit       *float64 `toml:"up_mbit,omitempty"`
	DownMbit     *float64 `toml:"down_mbit,omitempty"`
	MonthlyBytes *int64   `toml:"monthly_bytes,omitempty"`
	ResetDay     *int64   `toml:"reset_day,omitempty"`
}

// parse reads a client's file. name is what the file's own name says. Errors
// name what is wrong and never quote a secret.
func parse(text []byte, name string) (*Client, error) {
	var in rawFile
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&in); err != nil {
		return nil, syntaxError(err)
	}
	c := &Client{Name: deref(in.Name), Enabled: in.Enabled == nil || *in.Enabled, Note: deref(in.Note), Created: stampOf(in.Created)}
	var errs []error
	fault := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if c.Name != name {
		fault(fmt.Errorf("name: %q, but the file is named %q: both must be the same", clip(c.Name), clip(name)+suffix))
	}
	for i, k := range in.Keys {
		key := Key{Created: stampOf(k.Created), FirstUsed: stampOf(k.FirstUsed)}
		var bits [32]byte
		fault(hexInto(key.ID[:], fmt.Sprintf("key[%d].id", i), k.ID))
		fault(hexInto(bits[:], fmt.Sprintf("key[%d].secret", i), k.Secret))
		key.Secret, _ = credential.KeyFrom(bits[:]) // zeros are refused by check
		c.Keys = append(c.Keys, key)
	}
	c.Allow = parsePrefixes("allow", in.Allow, fault)
	c.Deny = parsePrefixes("deny", in.Deny, fault)
	for _, p := range in.AllowPorts {
		if p < 1 || p > 65535 {
			fault(fmt.Errorf("allow_ports: %d is not a port: 1 to 65535", p))
			continue
		}
		c.AllowPorts = append(c.AllowPorts, uint16(p))
	}
	c.Source = source.Mode(deref(in.Source))
	c.Prefixes = parsePrefixes("prefixes", in.Prefixes, fault)
	for i, raw := range in.Forwards {
		ports, err := reverse.ParsePorts(deref(raw.Ports))
		f := Forward{Ports: ports}
		if err == nil && raw.To != nil {
			f.To, err = netip.ParseAddrPort(*raw.To)
		}
		if err != nil {
			fault(fmt.Errorf("forward[%d]: %w", i, err))
		}
		c.Forwards = append(c.Forwards, f)
	}
	l := &in.Limits
	c.Limits = limits.Limits{
		Connections: int(deref(l.Connections)), NewPerSecond: int(deref(l.NewPerSecond)), ResetDay: int(deref(l.ResetDay)),
		MonthlyBytes: deref(l.MonthlyBytes),
		Up:           bits(deref(l.UpMbit)), Down: bits(deref(l.DownMbit)),
	}
	if len(errs) == 0 {
		fault(c.check())
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// format is the file that parse reads as c.
func format(c *Client) ([]byte, error) {
	out := rawFile{Name: &c.Name, Enabled: &c.Enabled, Note: unlessZero(c.Note), Created: timeUnlessZero(c.Created)}
	for _, p := range c.Allow {
		out.Allow = append(out.Allow, p.String())
	}
	for _, p := range c.Deny {
		out.Deny = append(out.Deny, p.String())
	}
	for _, p := range c.AllowPorts {
		out.AllowPorts = append(out.AllowPorts, int64(p))
	}
	out.Source = unlessZero(string(c.Source))
	for _, p := range c.Prefixes {
		out.Prefixes = append(out.Prefixes, p.String())
	}
	for _, f := range c.Forwards {
		ports := f.Ports.String()
		raw := rawForward{Ports: &ports}
		if f.To.IsValid() {
			to := f.To.String()
			raw.To = &to
		}
		out.Forwards = append(out.Forwards, raw)
	}
	for _, k := range c.Keys {
		id, secret := k.ID.String(), hex.EncodeToString(k.Secret.Reveal(nil))
		out.Keys = append(out.Keys, rawKey{&id, &secret, timeUnlessZero(k.Created), timeUnlessZero(k.FirstUsed)})
	}
	l := c.Limits
	out.Limits = rawLimits{
		Connections: unlessZero(int64(l.Connections)), NewPerSecond: unlessZero(int64(l.NewPerSecond)),
		UpMbit: unlessZero(float64(l.Up) / 1e6), DownMbit: unlessZero(float64(l.Down) / 1e6),
		MonthlyBytes: unlessZero(l.MonthlyBytes), ResetDay: unlessZero(int64(l.ResetDay)),
	}
	text, err := toml.Marshal(out)
	if err != nil {
		return nil, err
	}
	return append([]byte(header), text...), nil
}

// bits turns Mbit/s into bit/s. What is no rate becomes one that Check refuses.
func bits(mbit float64) int64 {
	if !(mbit >= 0 && mbit < 1e9) {
		return -1
	}
	b := int64(math.Round(mbit * 1e6))
	if b == 0 && mbit > 0 {
		return -1
	}
	return b
}

// hexInto never quotes its value: it may be a secret.
func hexInto(b []byte, what string, text *string) error {
	if text == nil || len(*text) != 2*len(b) {
		return fmt.Errorf("%s: must have %d hexadecimal digits", what, 2*len(b))
	}
	if _, err := hex.Decode(b, []byte(*text)); err != nil {
		return fmt.Errorf("%s: must have %d hexadecimal digits and nothing else", what, 2*len(b))
	}
	return nil
}

func parsePrefixes(what string, in []string, fault func(error)) (out []netip.Prefix) {
	for _, s := range in {
		p, err := ParsePrefix(s)
		if err != nil {
			fault(fmt.Errorf("%s: %w", what, err))
			continue
		}
		out = append(out, p)
	}
	return out
}

// syntaxError says line and reason of go-toml's error. The decoder's own
// String would quote the line, and a line may be a secret.
func syntaxError(err error) error {
	var strict *toml.StrictMissingError
	var one *toml.DecodeError
	switch {
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		line, _ := strict.Errors[0].Position()
		return fmt.Errorf("line %d: unknown key %q", line, hide(strings.Join(strict.Errors[0].Key(), ".")))
	case errors.As(err, &one):
		line, _ := one.Position()
		return fmt.Errorf("line %d: %s", line, hide(strings.TrimPrefix(one.Error(), "toml: ")))
	}
	return errors.New(hide(err.Error()))
}

// digits is what could be part of a secret.
var digits = regexp.MustCompile(`[0-9a-fA-F]{8,}`)

func hide(s string) string {
	s = digits.ReplaceAllString(s, "...")
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return s
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func unlessZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func stampOf(t *time.Time) time.Time {
	if t == nil || t.IsZero() {
		return time.Time{}
	}
	return stamp(*t)
}

func timeUnlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
