package config

import (
	"strings"
	"time"
)

// Schema says what the file may hold, for programs that edit it: LuCI takes
// its choices, ranges and defaults from here, so that they stand nowhere
// twice. The first key is the type of section, the second the option.
type Schema map[string]map[string]*Option

// Option describes one option or list.
type Option struct {
	Kind    string   `json:"kind"`
	List    bool     `json:"list,omitempty"`    // list of such values, not one
	Choices []string `json:"choices,omitempty"` // of kind choice
	Min     *int     `json:"min,omitempty"`     // of kind number
	Max     *int     `json:"max,omitempty"`     // of kind number: largest value; of others: longest
	Default []string `json:"default,omitempty"` // as the file would have it
}

// The kinds of values. Each names the parser that has the last word.
const (
	kindBool      = "bool"
	kindChoice    = "choice"
	kindNumber    = "number"
	kindPort      = "port"
	kindPortRange = "port-range"
	kindAddress   = "address"
	kindPrefix    = "prefix"
	kindHost      = "host"
	kindDevice    = "device"
	kindInterface = "interface"
	kindCookie    = "cookie"
	kindPath      = "path"
	kindKey       = "key" // id of a key, not the secret
	kindDSCP      = "dscp"
	kindSize      = "size" // amount of data; Max is how many digits
)

// row is one line of the schema. choices and value are words with spaces between
// them; without a value there is no default.
type row struct {
	section, name, kind string
	list                bool
	min, max            int
	choices, value      string
}

// Describe returns the schema. Each row stands for the line of parse.go that
// reads the option; tests hold the two together. (Rows are data: what computes
// the same from Default and the parsers is 5 kB of code.)
func Describe() Schema {
	const milli = int64(time.Millisecond)
	schema := Schema{}
	for _, r := range []row{
		{section: "tandem", name: "enabled", kind: kindBool, value: "0"},
		{section: "tandem", name: "lan", kind: kindDevice, list: true, max: maxDeviceName, value: "br-lan"},
		{section: "tandem", name: "mode", kind: kindChoice, choices: "bond overflow failover lowest-delay", value: "bond"},
		{section: "tandem", name: "accept", kind: kindChoice, choices: "early faithful", value: "early"},
		{section: "tandem", name: "first_byte", kind: kindChoice, choices: "auto warm syn plain", value: "auto"},
		{section: "tandem", name: "warm_min", kind: kindNumber, max: maxWarm, value: "2"},
		{section: "tandem", name: "warm_max", kind: kindNumber, max: maxWarm, value: "64"},
		{section: "tandem", name: "syn_data", kind: kindChoice, choices: "off on"}, // first_byte has replaced it
		{section: "tandem", name: "first_data_wait", kind: kindNumber, max: int(int64(maxFirstDataWait) / milli), value: "5"},
		{section: "tandem", name: "server_first_port", kind: kindPort, list: true, value: "21 22 23 24 25 110 119 143 220 587 2222 2525 3306 3690 4190 5900"},
		{section: "tandem", name: "on_failure", kind: kindChoice, choices: "direct refuse", value: "direct"},
		{section: "tandem", name: "port", kind: kindPort, value: "5125"},
		{section: "tandem", name: "connect_timeout", kind: kindNumber, min: int(int64(minTimeout) / milli), max: int(int64(maxTimeout) / milli), value: "700"},
		{section: "tandem", name: "max_flows", kind: kindNumber, min: 1, max: maxMaxFlows, value: "4096"},
		{section: "tandem", name: "memory_limit", kind: kindNumber, max: maxMemory, value: "0"},
		{section: "tandem", name: "gc_percent", kind: kindNumber, max: maxGCPercent, value: "0"},
		{section: "tandem", name: "quic", kind: kindChoice, choices: "pass refuse", value: "pass"},
		{section: "tandem", name: "log_level", kind: kindChoice, choices: "debug error info warn", value: "info"},
		{section: "tandem", name: "control", kind: kindPath, max: maxSocketPath, value: "/var/run/tandem/control.sock"},

		{section: "concentrator", name: "enabled", kind: kindBool, value: "1"},
		{section: "concentrator", name: "address", kind: kindAddress, list: true, max: maxAddresses},
		{section: "concentrator", name: "port", kind: kindPort, value: "5124"},
		{section: "concentrator", name: "cookie", kind: kindCookie, max: maxCookie},
		{section: "concentrator", name: "key", kind: kindKey},
		{section: "concentrator", name: "forwards", kind: kindBool, value: "0"},
		{section: "concentrator", name: "mode", kind: kindChoice, choices: "explicit on-path", value: "explicit"},

		{section: "wan", name: "enabled", kind: kindBool, value: "1"},
		{section: "wan", name: "device", kind: kindDevice, max: maxDeviceName},
		{section: "wan", name: "interface", kind: kindInterface},
		{section: "wan", name: "role", kind: kindChoice, choices: "primary secondary standby"}, // the default depends on the other lines
		{section: "wan", name: "metered", kind: kindBool, value: "0"},
		{section: "wan", name: "rate_down", kind: kindNumber, max: maxRate, value: "0"},
		{section: "wan", name: "rate_up", kind: kindNumber, max: maxRate, value: "0"},
		{section: "wan", name: "quota", kind: kindSize, max: maxSizeDigits},
		{section: "wan", name: "reset_day", kind: kindNumber, min: 1, max: maxResetDay, value: "1"},
		{section: "wan", name: "quota_action", kind: kindChoice, choices: "standby off", value: "standby"},
		{section: "wan", name: "quota_warning", kind: kindNumber, min: 1, max: maxQuotaWarning, value: "80"},

		{section: "bypass", name: "destination", kind: kindPrefix, list: true},
		{section: "bypass", name: "port", kind: kindPortRange, list: true},
		{section: "bypass", name: "host", kind: kindHost, list: true},

		{section: "rule", name: "enabled", kind: kindBool, value: "1"},
		{section: "rule", name: "action", kind: kindChoice, choices: "bond bypass failover lowest-delay overflow refuse"},
		{section: "rule", name: "proto", kind: kindChoice, choices: "any tcp udp", value: "any"},
		{section: "rule", name: "host", kind: kindHost, list: true},
		{section: "rule", name: "destination", kind: kindPrefix, list: true},
		{section: "rule", name: "port", kind: kindPortRange, list: true},
		{section: "rule", name: "dscp", kind: kindDSCP, list: true, max: maxDSCP},

		{section: "redirect", name: "enabled", kind: kindBool, value: "1"},
		{section: "redirect", name: "src_dport", kind: kindPortRange},
		{section: "redirect", name: "dest_ip", kind: kindAddress},
		{section: "redirect", name: "dest_port", kind: kindPort},
		{section: "redirect", name: "source", kind: kindChoice, choices: "remote router", value: "remote"},
	} {
		if schema[r.section] == nil {
			schema[r.section] = map[string]*Option{}
		}
		schema[r.section][r.name] = r.option()
	}
	return schema
}

func (r *row) option() *Option {
	o := &Option{Kind: r.kind, List: r.list, Choices: strings.Fields(r.choices), Default: strings.Fields(r.value)}
	if r.kind == kindNumber {
		o.Min = &r.min
	}
	if r.max != 0 {
		o.Max = &r.max
	}
	return o
}
