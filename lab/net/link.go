package labnet

import (
	"fmt"
	"sync"
)

// Link is one link of a lab: a WAN, or "net" if Spec.ServerLink is set.
type Link struct {
	name string
	mu   sync.Mutex // orders changes made through this Link
	driver
}

// driver does a link's work: the lab's link process, or a veth pair.
type driver interface {
	set(LinkConfig) error
	state() (LinkState, error)
}

// LinkState is how a link is and what it counted.
type LinkState struct {
	Config LinkConfig `json:"config"`
	Stats  LinkStats  `json:"stats"`
	// Emulated is false for a veth pair (Spec.PlainWANs), which only knows
	// LinkConfig.Off and counts nothing.
	Emulated bool `json:"emulated"`
}

// Name of the link, which is also the cpe's device of a WAN.
func (l *Link) Name() string { return l.name }

// Change edits the configuration: f gets the present one.
func (l *Link) Change(f func(*LinkConfig)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	st, err := l.state()
	if err != nil {
		return fmt.Errorf("link %q: %w", l.name, err)
	}
	f(&st.Config)
	if err := st.Config.Validate(); err != nil {
		return fmt.Errorf("link %q: %w", l.name, err)
	}
	if err := l.set(st.Config); err != nil {
		return fmt.Errorf("link %q: %w", l.name, err)
	}
	return nil
}

// SetDown takes the carrier away or gives it back; see LinkConfig.Off.
func (l *Link) SetDown(down bool) error {
	return l.Change(func(c *LinkConfig) { c.Off = down })
}

// SetBlackhole loses every packet while the carrier stays; see
// LinkConfig.Blackhole.
func (l *Link) SetBlackhole(on bool) error {
	return l.Change(func(c *LinkConfig) { c.Blackhole = on })
}

// SetStrip sets what the link takes away from TCP.
func (l *Link) SetStrip(s Strip) error {
	return l.Change(func(c *LinkConfig) { c.Strip = s })
}

// Capture starts a packet capture in a file, or ends it if path is empty.
func (l *Link) Capture(path string) error {
	return l.Change(func(c *LinkConfig) { c.Capture = path })
}

// State returns configuration and counters.
func (l *Link) State() (LinkState, error) {
	st, err := l.state()
	if err != nil {
		return st, fmt.Errorf("link %q: %w", l.name, err)
	}
	return st, nil
}

// Stats returns the counters.
func (l *Link) Stats() (LinkStats, error) {
	st, err := l.State()
	return st.Stats, err
}
