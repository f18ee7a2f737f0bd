package labnet

import (
	"fmt"
	"regexp"
	"time"
)

// DefaultName is the name of the lab a user starts by hand.
const DefaultName = "tandem"

// MaxWANs is the largest number of WANs a lab can have.
const MaxWANs = 8

// Spec says which lab to build. The zero value is a lab with a unique name
// and the WANs of [DefaultWANs].
type Spec struct {
	// Name prefixes the namespaces: "tandem" gives tandem-lan, tandem-cpe,
	// tandem-core, tandem-net. It must be "tandem" or start with "tandem-".
	// Empty: a name made of the process id, free at that moment.
	Name string

	// Topology is what stands between the hosts.
	Topology Topology

	// WANs between cpe and core, in order of preference. Nil: DefaultWANs(2).
	WANs []WAN

	// PlainWANs makes every WAN a veth pair without rate or delay, for
	// measuring how fast the programs on both ends are.
	PlainWANs bool

	// ServerLink makes core–net an emulated link named "net", to put servers
	// at a distance. Nil: a veth pair.
	ServerLink *LinkConfig

	// CongestionControl by host name ("lan", "cpe", "core", "net"). Not
	// named: "cubic" for lan and net, the kernel's default for cpe and core.
	CongestionControl map[string]string

	// Persistent labs stay when the process that called Up ends, and a later
	// Up does not remove what is left of a crashed one: [Remove] does. The
	// command line sets it, tests do not.
	Persistent bool
}

// WAN is one access line of the cpe.
type WAN struct {
	Name string // "dsl", "lte", "wan3" … "wan8"
	Link LinkConfig
}

// DefaultWANs returns the first n (1 to [MaxWANs]) of dsl (20/5 Mbit/s, 15 ms
// one way), lte (50/20 Mbit/s, 30 ms) and wan3 to wan8 (20/20 Mbit/s, 20 ms).
func DefaultWANs(n int) []WAN {
	all := []WAN{
		{"dsl", Symmetric(20e6, 5e6, 15*time.Millisecond)},
		{"lte", Symmetric(50e6, 20e6, 30*time.Millisecond)},
	}
	for i := 3; i <= MaxWANs; i++ {
		all = append(all, WAN{fmt.Sprintf("wan%d", i), Symmetric(20e6, 20e6, 20*time.Millisecond)})
	}
	return all[:max(1, min(n, MaxWANs))]
}

var (
	labName = regexp.MustCompile(`^tandem(-[a-z0-9]+)*$`)
	// hostName lists the hosts that a lab can have.
	hostName = []string{"lan", "cpe", "cgn", "edge", "core", "net"}
)

// complete checks s and fills in what is left out, but for the name.
func (s Spec) complete() (Spec, error) {
	if s.Name != "" && !labName.MatchString(s.Name) {
		return s, fmt.Errorf("lab name %q: want tandem or tandem-…, lower case letters and digits", s.Name)
	}
	if _, err := ParseTopology(string(s.Topology)); err != nil {
		return s, err
	}
	if s.WANs == nil {
		s.WANs = DefaultWANs(2)
	}
	seen := map[string]bool{}
	for _, w := range s.WANs {
		if _, ok := wanNumber(w.Name); !ok || seen[w.Name] {
			return s, fmt.Errorf("wan %q: unknown or named twice", w.Name)
		}
		seen[w.Name] = true
		if err := w.Link.Validate(); err != nil {
			return s, fmt.Errorf("wan %q: %w", w.Name, err)
		}
	}
	if s.ServerLink != nil {
		if err := s.ServerLink.Validate(); err != nil {
			return s, fmt.Errorf("server link: %w", err)
		}
	}
	return s, nil
}

// congestion returns the congestion control of host.
func (s Spec) congestion(host string) string {
	cc := s.CongestionControl[host]
	if cc == "" && (host == "lan" || host == "net") {
		return "cubic"
	}
	return cc
}
