package config

import (
	"fmt"
	"reflect"
	"strings"

	"tandem/shared/nocmp"
)

// value is one value as it stands in the file; a nil *value is an option that
// is not set, which is not the same as one set to zero.
type value struct {
	_      nocmp.Field
	option string
	text   string
	line   int
}

// header is what every section has.
type header struct {
	_         nocmp.Field
	typ, name string
	line      int
}

// String names the section in messages.
func (h header) String() string {
	if h.name == "" {
		return fmt.Sprintf("section %s on line %d", h.typ, h.line)
	}
	return fmt.Sprintf("section %s %q", h.typ, h.name)
}

// rawFile is the file, exactly as written.
type rawFile struct {
	main          *rawMain
	concentrators []*rawConcentrator
	wans          []*rawWAN
	bypasses      []*rawBypass
	rules         []*rawRule
	redirects     []*rawRedirect
}

// fields maps the options that a section may hold to where they go: a **value
// for an option, a *[]value for a list. (Maps written out took 6 kB more of a
// router's program.)
func fields(raw any) map[string]any {
	all := map[string]any{}
	v := reflect.ValueOf(raw).Elem()
	for i := range v.NumField() {
		if _, tag, ok := strings.Cut(string(v.Type().Field(i).Tag), `uci:"`); ok {
			all[strings.TrimSuffix(tag, `"`)] = v.Field(i).Addr().Interface()
		}
	}
	return all
}

type rawMain struct {
	_ nocmp.Field
	header
	Enabled         *value  `uci:"enabled"`
	LAN             []value `uci:"lan"`
	Mode            *value  `uci:"mode"`
	Accept          *value  `uci:"accept"`
	FirstByte       *value  `uci:"first_byte"`
	WarmMin         *value  `uci:"warm_min"`
	WarmMax         *value  `uci:"warm_max"`
	SynData         *value  `uci:"syn_data"`
	FirstDataWait   *value  `uci:"first_data_wait"`
	ServerFirstPort []value `uci:"server_first_port"`
	OnFailure       *value  `uci:"on_failure"`
	Port            *value  `uci:"port"`
	ConnectTimeout  *value  `uci:"connect_timeout"`
	MaxFlows        *value  `uci:"max_flows"`
	MemoryLimit     *value  `uci:"memory_limit"` // read by the init script
	GCPercent       *value  `uci:"gc_percent"`   // read by the init script
	Quic            *value  `uci:"quic"`
	LogLevel        *value  `uci:"log_level"`
	Control         *value  `uci:"control"`
}

type rawConcentrator struct {
	_ nocmp.Field
	header
	Enabled  *value  `uci:"enabled"`
	Address  []value `uci:"address"`
	Port     *value  `uci:"port"`
	Cookie   *value  `uci:"cookie"`
	Key      *value  `uci:"key"`
	Forwards *value  `uci:"forwards"`
	Mode     *value  `uci:"mode"`
}

type rawWAN struct {
	_ nocmp.Field
	header
	Enabled      *value `uci:"enabled"`
	Device       *value `uci:"device"`
	Interface    *value `uci:"interface"`
	Role         *value `uci:"role"`
	Metered      *value `uci:"metered"`
	RateDown     *value `uci:"rate_down"`
	RateUp       *value `uci:"rate_up"`
	Quota        *value `uci:"quota"`
	ResetDay     *value `uci:"reset_day"`
	QuotaAction  *value `uci:"quota_action"`
	QuotaWarning *value `uci:"quota_warning"`
}

type rawBypass struct {
	_ nocmp.Field
	header
	Destination []value `uci:"destination"`
	Port        []value `uci:"port"`
	Host        []value `uci:"host"`
}

// decode sorts sections into raw structs and refuses what the file may not
// hold, whatever the values are.
func decode(f *faults, sections []*section) *rawFile {
	r := &rawFile{}
	for _, s := range sections {
		h := header{typ: s.typ, name: s.name, line: s.line}
		var into any
		switch s.typ {
		case "tandem":
			m := &rawMain{header: h}
			if s.name != "main" {
				f.add(s.line, "section tandem must be named main: config tandem 'main'")
			}
			r.main, into = m, m
		case "concentrator":
			c := &rawConcentrator{header: h}
			f.needName(h)
			r.concentrators, into = append(r.concentrators, c), c
		case "wan":
			w := &rawWAN{header: h}
			f.needName(h)
			r.wans, into = append(r.wans, w), w
		case "bypass":
			b := &rawBypass{header: h}
			r.bypasses, into = append(r.bypasses, b), b
		case "rule":
			one := &rawRule{header: h}
			r.rules, into = append(r.rules, one), one
		case "redirect":
			one := &rawRedirect{header: h}
			r.redirects, into = append(r.redirects, one), one
		default:
			f.add(s.line, "unknown section type %q: tandem, concentrator, wan, bypass, rule and redirect are known", clip(s.typ))
			continue
		}
		f.fill(fields(into), s)
	}
	return r
}

func (f *faults) needName(h header) {
	if h.name == "" {
		f.add(h.line, "section %s needs a name: config %s 'name'", h.typ, h.typ)
	}
}

// fill stores the options of one section.
func (f *faults) fill(fields map[string]any, s *section) {
	for _, o := range s.options {
		switch to := fields[o.name].(type) {
		case **value:
			if o.list {
				f.add(o.line, "list %q: holds one value: write option %s", o.name, o.name)
				continue
			}
			// "option x ''" is how UCI spells "not set".
			if v := o.values[0]; v.text != "" {
				*to = &value{option: o.name, text: v.text, line: v.line}
			}
		case *[]value:
			for _, v := range o.values {
				if v.text == "" && o.list {
					f.add(v.line, "list %q: empty value", o.name)
				} else if v.text != "" {
					*to = append(*to, value{option: o.name, text: v.text, line: v.line})
				}
			}
		default:
			known := namesIn(fields)
			f.add(o.line, "unknown option %q in section %s: known are %s", clip(o.name), s.typ, strings.Join(known, ", "))
		}
	}
}
