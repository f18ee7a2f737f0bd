package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tandem/shared/credential"
	"tandem/shared/nocmp"
)

// Pairing is what a concentrator's section is to say.
type Pairing struct {
	// Name of the section. Empty: that of the section with this key or with one
	// of these addresses, else a new one.
	Name      string
	Addresses []netip.Addr
	Port      uint16
	Key       credential.KeyID
}

// Joined is what Join makes of a file.
type Joined struct {
	_       nocmp.Field
	Text    string // of the file
	Config  *Config
	Section string // name of the concentrator's section
	Added   bool   // the section is new
	Changed bool   // the text is another than before
	// Replaced is the key that the section named before, zero for none. Orphan
	// says that no section names it any more.
	Replaced   credential.KeyID
	Orphan     bool
	EnabledNow bool // option enabled of section tandem was set
}

// Join adds a concentrator to the text of a file, or changes its section; all
// else in the file stays as it is, to the byte. A file that is not valid, or
// would not be afterwards, is refused.
//
// Tandem is switched on as well where nobody has switched it off: where the
// file has no concentrator in use so far, or does not say.
func Join(file, text string, p Pairing) (*Joined, error) {
	e, err := newEdit(file, text)
	if err != nil {
		return nil, err
	}
	inUse := slices.ContainsFunc(e.sections, func(b *block) bool { return b.typ() == "concentrator" && !b.off() })
	j := &Joined{}
	section, err := e.sectionFor(p)
	if err != nil {
		return nil, err
	}
	if main := e.find("tandem", "main"); main == nil {
		e.append("tandem", "main", "option enabled '1'")
		j.EnabledNow = true
	} else if on, err := parseBool(main.value("enabled")); (err != nil || !on) && (main.value("enabled") == "" || !inUse) {
		e.set(main, "enabled", "1")
		j.EnabledNow = true
	}
	if section == nil {
		j.Added, j.Section = true, p.Name
		if p.Name == "" {
			j.Section = e.freeName()
		}
		e.append("concentrator", j.Section, p.lines()...)
	} else {
		j.Section = section.name()
		j.Replaced = e.pair(section, p)
	}
	j.Text = text
	if len(e.cuts) > 0 {
		j.Text, j.Changed = e.result(), true
	}
	return j, j.check(file, text, p)
}

// lines are the options of a new section.
func (p Pairing) lines() (lines []string) {
	for _, a := range p.Addresses {
		lines = append(lines, "list address '"+a.String()+"'")
	}
	if p.Port != defaultConvertPort {
		lines = append(lines, "option port '"+strconv.Itoa(int(p.Port))+"'")
	}
	return append(lines, "option key '"+p.Key.String()+"'")
}

// off says whether a section is left out.
func (b *block) off() bool {
	on, err := parseBool(b.value("enabled"))
	return err == nil && !on
}

// sectionFor returns the concentrator's section, nil if it needs a new one.
func (e *edit) sectionFor(p Pairing) (*block, error) {
	var sameKey, samePlace *block
	for _, b := range e.sections {
		switch {
		case p.Name != "" && b.name() == p.Name && b.typ() != "concentrator":
			return nil, fmt.Errorf("the name %q is taken by a section %s: choose another", p.Name, b.typ())
		case b.typ() != "concentrator":
		case p.Name != "":
			if b.name() == p.Name {
				return b, nil
			}
		case sameKey == nil && strings.EqualFold(b.value("key"), p.Key.String()):
			sameKey = b
		case samePlace == nil && b.leadsTo(p):
			samePlace = b
		}
	}
	if p.Name != "" && !validName(p.Name, "") {
		return nil, fmt.Errorf("%q is not a section name: letters, digits and _ are allowed", clip(p.Name))
	}
	if sameKey != nil {
		return sameKey, nil
	}
	return samePlace, nil
}

// leadsTo says whether the section's concentrator is the one of p.
func (b *block) leadsTo(p Pairing) bool {
	port := b.value("port")
	if port == "" {
		port = strconv.Itoa(defaultConvertPort)
	}
	return port == strconv.Itoa(int(p.Port)) && slices.ContainsFunc(b.named("address"), func(s statement) bool {
		a, err := netip.ParseAddr(s.value())
		return err == nil && slices.Contains(p.Addresses, a)
	})
}

// pair makes a section say what p says and returns the key that it named.
func (e *edit) pair(b *block, p Pairing) (replaced credential.KeyID) {
	var have []netip.Addr
	for _, s := range b.named("address") {
		if a, err := netip.ParseAddr(s.value()); err == nil {
			have = append(have, a)
		}
	}
	// The user's own order and spelling stay where the addresses are the same.
	if !sameSet(have, p.Addresses) {
		var values []string
		for _, a := range p.Addresses {
			values = append(values, spelling(b, a))
		}
		e.setList(b, "address", values)
	}
	port := strconv.Itoa(int(p.Port))
	if have := b.value("port"); have != port && (have != "" || p.Port != defaultConvertPort) {
		e.set(b, "port", port)
	}
	if b.off() {
		e.set(b, "enabled", "1")
	}
	if key := b.value("key"); !strings.EqualFold(key, p.Key.String()) {
		replaced, _ = credential.ParseKeyID(key)
		e.set(b, "key", p.Key.String())
	}
	return replaced
}

// spelling is how the section writes an address, if it has it.
func spelling(b *block, a netip.Addr) string {
	for _, s := range b.named("address") {
		if have, err := netip.ParseAddr(s.value()); err == nil && have == a {
			return s.value()
		}
	}
	return a.String()
}

func sameSet(a, b []netip.Addr) bool {
	in := func(list []netip.Addr) func(netip.Addr) bool {
		return func(x netip.Addr) bool { return !slices.Contains(list, x) }
	}
	return !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}

// freeName is a name for a new section.
func (e *edit) freeName() string {
	for n := 1; ; n++ {
		name := "concentrator"
		if n > 1 {
			name += strconv.Itoa(n)
		}
		if !slices.ContainsFunc(e.sections, func(b *block) bool { return b.name() == name }) {
			return name
		}
	}
}

// check reads the result: it must be valid, say what was asked for, and differ
// from the former text in nothing else.
func (j *Joined) check(file, before string, p Pairing) error {
	cfg, err := Parse(file, strings.NewReader(j.Text))
	if err != nil {
		// The user knows the file as it is: tell what is wrong with that one.
		if _, old := Parse(file, strings.NewReader(before)); old != nil {
			err = old
		}
		return err
	}
	j.Config = cfg
	i := slices.IndexFunc(cfg.Concentrators, func(c Concentrator) bool { return c.Name == j.Section })
	if i < 0 {
		return errEdit
	}
	if c := cfg.Concentrators[i]; c.Key != p.Key || c.Port != p.Port || !sameSet(c.Addresses, p.Addresses) {
		return errEdit
	}
	was, err := newEdit(file, before)
	if err != nil {
		return err
	}
	is, err := newEdit(file, j.Text)
	if err != nil || len(is.sections) < len(was.sections) {
		return errEdit
	}
	for i, b := range was.sections {
		var free []string
		switch {
		case b.typ() == "concentrator" && b.name() == j.Section:
			free = []string{"address", "port", "key", "enabled"}
		case b.typ() == "tandem" && j.EnabledNow:
			free = []string{"enabled"}
		}
		if !b.sameBut(is.sections[i], free) {
			return errEdit
		}
	}
	j.Orphan = j.Replaced != (credential.KeyID{}) && !slices.ContainsFunc(is.sections, func(b *block) bool {
		return b.typ() == "concentrator" && strings.EqualFold(b.value("key"), j.Replaced.String())
	})
	return nil
}

// errEdit keeps a file that this package cannot change safely as it is.
var errEdit = errors.New("the file is written in a way that cannot be changed safely: add the section by hand, see tandem-cpe join --check")

// sameBut compares two sections, but for the options in free.
func (b *block) sameBut(other *block, free []string) bool {
	plain := func(b *block) (all []string) {
		for _, s := range b.lines {
			if !slices.Contains(free, s.args[0].text) {
				all = append(all, s.keyword, s.args[0].text, s.value())
			}
		}
		return all
	}
	return b.typ() == other.typ() && b.name() == other.name() && slices.Equal(plain(b), plain(other))
}
