package policy

import (
	"bytes"
	"net/netip"
	"slices"

	"tandem/cpe/config"
)

// rule is one of the configuration, prepared.
type rule struct {
	config.Rule
	hosts, destinations ranges
	decision            Decision
}

func newRules(c *config.Config) (rules []rule) {
	for _, r := range c.Rules {
		if !r.Covers(config.TCP) {
			continue
		}
		one := rule{
			Rule: r, hosts: newRanges(r.Hosts), destinations: newRanges(r.Destinations),
			decision: Decision{Verdict: Bypass, Reason: r.String()},
		}
		switch r.Action {
		case config.ActionRefuse:
			one.decision.Verdict = Refuse
		case config.ActionRelay:
			one.decision.Verdict, one.decision.Mode = Relay, r.Mode
		}
		rules = append(rules, one)
	}
	return rules
}

// matches tells what package ruleset's rendering of the rule does. What is not
// known of a flow matches nothing.
func (r *rule) matches(f *Flow, src, dst netip.Addr) bool {
	port := f.Dst.Port()
	switch {
	case len(r.Hosts)+len(r.MACs) > 0 && !r.hosts.contains(src) && !r.hasMAC(f):
		return false
	case len(r.Destinations) > 0 && !r.destinations.contains(dst):
		return false
	case len(r.Ports) > 0 && !slices.ContainsFunc(r.Ports, func(p config.PortRange) bool { return p.First <= port && port <= p.Last }):
		return false
	case len(r.DSCP) > 0 && (f.SYN == nil || !slices.Contains(r.DSCP, f.SYN.DSCP)):
		return false
	}
	return true
}

func (r *rule) hasMAC(f *Flow) bool {
	if f.SYN == nil {
		return false
	}
	for _, mac := range r.MACs {
		if bytes.Equal(mac, f.SYN.MAC) {
			return true
		}
	}
	return false
}

// NeedsSYN tells whether a flow's SYN may decide between verdicts or modes that
// its addresses do not.
func (p *Policy) NeedsSYN() bool { return p.needsSYN }
