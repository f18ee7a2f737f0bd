package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schema says what the file may hold, for programs that edit it: LuCI takes
// its choices, ranges and defaults from here, so that they stand nowhere
// twice. The first key is the type of section, the second the option.
type Schema map[string]options

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
	ms := func(t time.Duration) int { return int(t.Milliseconds()) }
	main, concentrator, wan, bypass, rule, redirect := options{}, options{}, options{}, options{}, options{}, options{}

	main.one("enabled", kindBool, d.Enabled)
	main.list("lan", kindDevice, d.LAN...)
	main.limit("lan", maxDeviceName)
	main.choose("mode", d.Mode.String(), modeNames[:]...)
	main.choose("accept", "early", "early", "faithful")
	main.choose("first_byte", "auto", "auto", "warm", "syn", "plain")
	main.amount("warm_min", 0, maxWarm, d.WarmMin)
	main.amount("warm_max", 0, maxWarm, d.WarmMax)
	main.choose("syn_data", "", "off", "on") // first_byte has replaced it
	main.amount("first_data_wait", 0, ms(maxFirstDataWait), ms(d.FirstDataWait))
	main.list("server_first_port", kindPort, strings.Fields(strings.Trim(fmt.Sprint(d.ServerFirstPorts), "[]"))...)
	main.choose("on_failure", "direct", "direct", "refuse")
	main.one("port", kindPort, d.Port)
	main.amount("connect_timeout", ms(minTimeout), ms(maxTimeout), ms(d.ConnectTimeout))
	main.amount("max_flows", 1, maxMaxFlows, d.MaxFlows)
	main.amount("memory_limit", 0, maxMemory, d.MemoryLimit)
	main.amount("gc_percent", 0, maxGCPercent, d.GCPercent)
	main.choose("quic", "pass", "pass", "refuse")
	main.choose("log_level", strings.ToLower(d.LogLevel.String()), namesIn(logLevels())...)
	main.one("control", kindPath, d.Control)
	main.limit("control", maxSocketPath)

	concentrator.one("enabled", kindBool, true)
	concentrator.list("address", kindAddress)
	concentrator.limit("address", maxAddresses)
	concentrator.one("port", kindPort, defaultConvertPort)
	concentrator.one("cookie", kindCookie, nil)
	concentrator.limit("cookie", maxCookie)
	concentrator.one("key", kindKey, nil)
	concentrator.one("forwards", kindBool, false)
	concentrator.choose("mode", "explicit", "explicit", "on-path")

	wan.one("enabled", kindBool, true)
	wan.one("device", kindDevice, nil)
	wan.limit("device", maxDeviceName)
	wan.one("interface", kindInterface, nil)
	wan.choose("role", "", Primary.String(), Secondary.String(), Standby.String()) // the default depends on the other lines
	wan.one("metered", kindBool, false)
	wan.amount("rate_down", 0, maxRate, 0)
	wan.amount("rate_up", 0, maxRate, 0)
	wan.one("quota", kindSize, nil)
	wan.limit("quota", maxSizeDigits)
	wan.amount("reset_day", 1, maxResetDay, defaultResetDay)
	wan.choose("quota_action", QuotaStandby.String(), QuotaStandby.String(), QuotaOff.String())
	wan.amount("quota_warning", 1, maxQuotaWarning, defaultQuotaWarning)

	bypass.list("destination", kindPrefix)
	bypass.list("port", kindPortRange)
	bypass.list("host", kindHost)

	rule.one("enabled", kindBool, true)
	rule.choose("action", "", namesIn(rulings())...)
	rule.choose("proto", "any", "any", "tcp", "udp")
	rule.list("host", kindHost)
	rule.list("destination", kindPrefix)
	rule.list("port", kindPortRange)
	rule.list("dscp", kindDSCP)
	rule.limit("dscp", maxDSCP)

	redirect.one("enabled", kindBool, true)
	redirect.one("src_dport", kindPortRange, nil)
	redirect.one("dest_ip", kindAddress, nil)
	redirect.one("dest_port", kindPort, nil)
	redirect.choose("source", "remote", "remote", "router")

	return Schema{"tandem": main, "concentrator": concentrator, "wan": wan, "bypass": bypass, "rule": rule, "redirect": redirect}
}

// options are those of one type of section.
type options map[string]*Option

// one adds an option with a default, unless that is nil.
func (o options) one(name, kind string, value any) {
	text := fmt.Sprint(value)
	switch value {
	case nil:
		o[name] = &Option{Kind: kind}
		return
	case true:
		text = "1"
	case false:
		text = "0"
	}
	o[name] = &Option{Kind: kind, Default: []string{text}}
}

func (o options) list(name, kind string, values ...string) {
	o[name] = &Option{Kind: kind, List: true, Default: values}
}

// choose adds an option with one of a few words, and a default unless that is "".
func (o options) choose(name, value string, choices ...string) {
	o[name] = &Option{Kind: kindChoice, Choices: choices}
	if value != "" {
		o[name].Default = []string{value}
	}
}

func (o options) amount(name string, low, high, value int) {
	o[name] = &Option{Kind: kindNumber, Min: &low, Max: &high, Default: []string{strconv.Itoa(value)}}
}

// limit is Max of an option that is no number.
func (o options) limit(name string, most int) { o[name].Max = &most }
