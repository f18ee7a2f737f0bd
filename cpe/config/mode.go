package config

import "slices"

// Mode says how lines are chosen for a flow.
type Mode uint8

// The values of option mode.
const (
	// Bond uses all lines at once.
	Bond Mode = iota
	// Overflow uses the preferred line, and the next one while that is full.
	Overflow
	// Failover uses the preferred line, and another one while that is down.
	Failover
	// LowestDelay begins each flow on the line that answers fastest; the others
	// stand by for it.
	LowestDelay
)

var modeNames = [...]string{Bond: "bond", Overflow: "overflow", Failover: "failover", LowestDelay: "lowest-delay"}

// String is the value as the configuration file has it.
func (m Mode) String() string { return modeNames[m] }

// parseMode is what the file may hold.
func parseMode(text string) (Mode, error) {
	all := make(map[string]Mode)
	for m, name := range modeNames {
		all[name] = Mode(m)
	}
	return choice(all)(text)
}

// Compares tells whether there may be flows of mode LowestDelay.
func (c *Config) Compares() bool {
	return c.has(func(m Mode) bool { return m == LowestDelay })
}

// Steered tells whether there may be flows of another mode than Bond.
func (c *Config) Steered() bool {
	return c.has(func(m Mode) bool { return m != Bond })
}

// has looks at the modes that flows may have.
func (c *Config) has(wanted func(Mode) bool) bool {
	return wanted(c.Mode) || slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Action == ActionRelay && wanted(r.Mode) })
}
