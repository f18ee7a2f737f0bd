package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Schema says what the file may hold, for programs that edit it: LuCI takes
// its choices, ranges and defaults from here, so that they stand nowhere
// twice. The first key is the type of section, the second the option.
type Schema map[string]map[string]Option

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

// Describe returns the schema. Each row stands for the line of parse.go that
// reads the option; a test holds the two together.
func Describe() Schema {
	d := Default()
	return Schema{
		"tandem": {
			"enabled":           one(kindBool, d.Enabled),
			"lan":               list(kindDevice, d.LAN).upTo(maxDeviceName),
			"mode":              choose(d.Mode.String(), modeNames[:]...),
			"accept":            choose("early", "early", "faithful"),
			"first_byte":        choose("auto", "auto", "warm", "syn", "plain"),
			"warm_min":          amount(0, maxWarm, d.WarmMin),
			"warm_max":          amount(0, maxWarm, d.WarmMax),
			"syn_data":          {Kind: kindChoice, Choices: []string{"off", "on"}}, // first_byte has replaced it
			"first_data_wait":   amount(0, int(maxFirstDataWait.Milliseconds()), d.FirstDataWait.Milliseconds()),
			"server_first_port": list(kindPort, d.ServerFirstPorts),
			"on_failure":        choose("direct", "direct", "refuse"),
			"port":              one(kindPort, d.Port),
			"connect_timeout":   amount(int(minTimeout.Milliseconds()), int(maxTimeout.Milliseconds()), d.ConnectTimeout.Milliseconds()),
			"max_flows":         amount(1, maxMaxFlows, d.MaxFlows),
			"memory_limit":      amount(0, maxMemory, d.MemoryLimit),
			"gc_percent":        amount(0, maxGCPercent, d.GCPercent),
			"quic":              choose("pass", "pass", "refuse"),
			"log_level":         choose(strings.ToLower(d.LogLevel.String()), namesIn(logLevels())...),
			"control":           one(kindPath, d.Control).upTo(maxSocketPath),
		},
		"concentrator": {
			"enabled":  one(kindBool, true),
			"address":  list[string](kindAddress, nil).upTo(maxAddresses),
			"port":     one(kindPort, defaultConvertPort),
			"cookie":   {Kind: kindCookie, Max: ptr(maxCookie)},
			"key":      {Kind: kindKey},
			"forwards": one(kindBool, false),
			"mode":     choose("explicit", "explicit", "on-path"),
		},
		"wan": {
			"enabled":       one(kindBool, true),
			"device":        {Kind: kindDevice, Max: ptr(maxDeviceName)},
			"interface":     {Kind: kindInterface},
			"role":          {Kind: kindChoice, Choices: []string{Primary.String(), Secondary.String(), Standby.String()}}, // the default depends on the other lines
			"metered":       one(kindBool, false),
			"rate_down":     amount(0, maxRate, 0),
			"rate_up":       amount(0, maxRate, 0),
			"quota":         {Kind: kindSize, Max: ptr(maxSizeDigits)},
			"reset_day":     amount(1, maxResetDay, defaultResetDay),
			"quota_action":  choose(QuotaStandby.String(), QuotaStandby.String(), QuotaOff.String()),
			"quota_warning": amount(1, maxQuotaWarning, defaultQuotaWarning),
		},
		"bypass": {
			"destination": list[string](kindPrefix, nil),
			"port":        list[string](kindPortRange, nil),
			"host":        list[string](kindHost, nil),
		},
		"rule": {
			"enabled":     one(kindBool, true),
			"action":      {Kind: kindChoice, Choices: namesIn(rulings())},
			"proto":       choose("any", "any", "tcp", "udp"),
			"host":        list[string](kindHost, nil),
			"destination": list[string](kindPrefix, nil),
			"port":        list[string](kindPortRange, nil),
			"dscp":        list[string](kindDSCP, nil).upTo(maxDSCP),
		},
		"redirect": {
			"enabled":   one(kindBool, true),
			"src_dport": {Kind: kindPortRange},
			"dest_ip":   {Kind: kindAddress},
			"dest_port": {Kind: kindPort},
			"source":    choose("remote", "remote", "router"),
		},
	}
}

func ptr(n int) *int { return &n }

func one(kind string, value any) Option {
	text := fmt.Sprint(value)
	if b, ok := value.(bool); ok {
		text = "0"
		if b {
			text = "1"
		}
	}
	return Option{Kind: kind, Default: []string{text}}
}

func list[T any](kind string, values []T) Option {
	o := Option{Kind: kind, List: true}
	for _, v := range values {
		o.Default = append(o.Default, fmt.Sprint(v))
	}
	return o
}

func choose(value string, choices ...string) Option {
	return Option{Kind: kindChoice, Choices: choices, Default: []string{value}}
}

func amount[T int | int64](low, high int, value T) Option {
	return Option{Kind: kindNumber, Min: &low, Max: &high, Default: []string{strconv.FormatInt(int64(value), 10)}}
}

func (o Option) upTo(n int) Option {
	o.Max = &n
	return o
}
