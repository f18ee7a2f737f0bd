package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"tandem/shared/nocmp"
)

// Rule says what becomes of the flows that it matches. A list that is empty
// matches all; of one that is not, one element must match, and of Hosts and MACs
// together one.
type Rule struct {
	Name         string // of the section; may be empty
	Line         int    // of the section in the file
	Action       Action
	Mode         Mode // where Action is ActionRelay
	Proto        Proto
	Hosts        []netip.Prefix     // LAN hosts by address
	MACs         []net.HardwareAddr // LAN hosts by Ethernet address
	Destinations []netip.Prefix
	Ports        []PortRange // of the destination
	DSCP         []uint8     // of the flow's first packet, RFC 2474
}

// String names a rule in status and logs.
func (r Rule) String() string {
	if r.Name != "" {
		return fmt.Sprintf("rule %q", r.Name)
	}
	return fmt.Sprintf("the rule of line %d", r.Line)
}

// Action is what a rule asks for.
type Action uint8

// The values of option action.
const (
	ActionBypass Action = iota + 1 // not intercepted
	ActionRefuse                   // turned down, as by a closed port
	ActionRelay                    // carried, over lines that a mode chooses
)

// ruling is what a value of option action means.
type ruling struct {
	Action
	Mode
}

func rulings() map[string]ruling {
	all := map[string]ruling{"bypass": {Action: ActionBypass}, "refuse": {Action: ActionRefuse}}
	for m, name := range modeNames {
		all[name] = ruling{ActionRelay, Mode(m)}
	}
	return all
}

// Proto is the transport protocol that a rule is about.
type Proto uint8

// The values of option proto.
const (
	AnyProto Proto = iota // TCP and UDP
	TCP
	UDP
)

var protos = map[string]Proto{"any": AnyProto, "tcp": TCP, "udp": UDP}

// Covers tells whether a rule is about packets of one protocol. Only TCP is
// carried.
func (r Rule) Covers(one Proto) bool {
	return (r.Proto == AnyProto || r.Proto == one) && (r.Action != ActionRelay || one == TCP)
}

// QUIC says what becomes of QUIC, UDP to port 443, of LAN hosts.
type QUIC uint8

// The values of option quic.
const (
	QUICPass   QUIC = iota // routed, as all of UDP
	QUICRefuse             // turned down, so that browsers use TCP
)

// Limits of rules.
const (
	maxRules    = 128
	maxRuleList = 256 // elements of one list
	maxDSCP     = 63
)

type rawRule struct {
	_ nocmp.Field
	header
	Enabled     *value  `uci:"enabled"`
	Action      *value  `uci:"action"`
	Proto       *value  `uci:"proto"`
	Host        []value `uci:"host"`
	Destination []value `uci:"destination"`
	Port        []value `uci:"port"`
	DSCP        []value `uci:"dscp"`
}

func (r *rawFile) addRules(f *faults, c *Config) {
	for _, raw := range r.rules {
		enabled := true
		take(f, &enabled, raw.Enabled, parseBool)
		if rule := raw.rule(f); enabled {
			c.Rules = append(c.Rules, rule)
		}
		if enabled && len(c.Rules) == maxRules+1 {
			f.add(raw.line, "%v: at most %d rules may be enabled", raw.header, maxRules)
		}
	}
}

// rule reads one section. What it could match nothing or everything with is a
// mistake: the first has no effect, the second has one that an option of section
// tandem has, too.
func (r *rawRule) rule(f *faults) Rule {
	rule := Rule{Name: r.name, Line: r.line}
	if r.Action == nil {
		f.add(r.line, "%v: needs an option action: %s", r.header, strings.Join(namesIn(rulings()), ", "))
	}
	var what ruling
	take(f, &what, r.Action, choice(rulings()))
	rule.Action, rule.Mode = what.Action, what.Mode
	take(f, &rule.Proto, r.Proto, choice(protos))
	rule.Hosts, rule.MACs = takeHosts(f, r.Host)
	takeList(f, &rule.Destinations, r.Destination, parsePrefix)
	takeList(f, &rule.Ports, r.Port, parsePortRange)
	takeList(f, &rule.DSCP, r.DSCP, parseDSCP)
	for _, list := range [][]value{r.Host, r.Destination, r.Port, r.DSCP} {
		if len(list) > maxRuleList {
			f.add(list[0].line, "list %q: has %d elements: at most %d are allowed in a rule", list[0].option, len(list), maxRuleList)
		}
	}
	switch {
	case len(r.Host)+len(r.Destination)+len(r.Port)+len(r.DSCP) == 0:
		f.add(r.line, "%v: matches everything: name a host, a destination, a port or a dscp", r.header)
	case rule.Action == ActionRelay && rule.Proto == UDP:
		f.add(r.Proto.line, "option \"proto\": %q carries TCP only: write tcp, or an action of bypass or refuse", r.Action.text)
	case rule.otherFamily():
		f.add(r.line, "%v: matches nothing: its hosts are of one IP version, its destinations of the other", r.header)
	}
	return rule
}

// otherFamily tells whether no packet can be from a host and to a destination
// that the rule names.
func (r *Rule) otherFamily() bool {
	if len(r.Hosts) == 0 || len(r.MACs) > 0 || len(r.Destinations) == 0 {
		return false
	}
	for _, h := range r.Hosts {
		for _, d := range r.Destinations {
			if h.Addr().Is4() == d.Addr().Is4() {
				return false
			}
		}
	}
	return true
}

// takeHosts reads a list of LAN hosts.
func takeHosts(f *faults, vs []value) (hosts []netip.Prefix, macs []net.HardwareAddr) {
	for _, v := range vs {
		prefix, mac, err := parseHost(v.text)
		switch {
		case err != nil:
			f.add(v.line, "list %q: %v", v.option, err)
		case mac != nil:
			macs = append(macs, mac)
		default:
			hosts = append(hosts, prefix)
		}
	}
	return hosts, macs
}

// parseDSCP reads a codepoint by number or by the names of RFC 2474 (CS), RFC
// 2597 (AF), RFC 3246 (EF) and RFC 8622 (LE).
func parseDSCP(s string) (uint8, error) {
	if n, err := number(0, maxDSCP)(s); err == nil {
		return uint8(n), nil
	}
	name := strings.ToLower(s)
	switch name {
	case "ef":
		return 46, nil
	case "le":
		return 1, nil
	}
	if len(name) == 3 && name[:2] == "cs" && '0' <= name[2] && name[2] <= '7' {
		return (name[2] - '0') * 8, nil
	}
	if len(name) == 4 && name[:2] == "af" && '1' <= name[2] && name[2] <= '4' && '1' <= name[3] && name[3] <= '3' {
		return (name[2]-'0')*8 + (name[3]-'0')*2, nil
	}
	return 0, fmt.Errorf("%q is not a DSCP: 0 to %d, or EF, LE, CS0 to CS7, AF11 to AF43", clip(s), maxDSCP)
}
