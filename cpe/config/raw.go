package config

import (
	"fmt"
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

// rawSection is one kind of section: fields maps the options it may hold to
// where they go, a **value for an option or a *[]value for a list.
type rawSection interface {
	fields() map[string]any
}

type rawMain struct {
	header
	enabled, mode, accept, firstByte, warmMin, warmMax, synData *value
	firstDataWait, onFailure, port                              *value
	connectTimeout, maxFlows, logLevel, control                 *value
	lan, serverFirstPort                                        []value
	memoryLimit, gcPercent                                      *value // read by the init script
	quic                                                        *value
}

func (r *rawMain) fields() map[string]any {
	return map[string]any{
		"enabled":           &r.enabled,
		"lan":               &r.lan,
		"mode":              &r.mode,
		"accept":            &r.accept,
		"first_byte":        &r.firstByte,
		"warm_min":          &r.warmMin,
		"warm_max":          &r.warmMax,
		"syn_data":          &r.synData,
		"first_data_wait":   &r.firstDataWait,
		"server_first_port": &r.serverFirstPort,
		"on_failure":        &r.onFailure,
		"port":              &r.port,
		"connect_timeout":   &r.connectTimeout,
		"max_flows":         &r.maxFlows,
		"memory_limit":      &r.memoryLimit,
		"gc_percent":        &r.gcPercent,
		"quic":              &r.quic,
		"log_level":         &r.logLevel,
		"control":           &r.control,
	}
}

type rawConcentrator struct {
	header
	enabled, port, cookie, key, forwards, mode *value
	address                                    []value
}

func (r *rawConcentrator) fields() map[string]any {
	return map[string]any{
		"enabled":  &r.enabled,
		"address":  &r.address,
		"port":     &r.port,
		"cookie":   &r.cookie,
		"key":      &r.key,
		"forwards": &r.forwards,
		"mode":     &r.mode,
	}
}

type rawWAN struct {
	_ nocmp.Field
	header
	enabled, device, iface, role, metered      *value
	rateDown, rateUp                           *value
	quota, resetDay, quotaAction, quotaWarning *value
}

func (r *rawWAN) fields() map[string]any {
	return map[string]any{
		"enabled":       &r.enabled,
		"device":        &r.device,
		"interface":     &r.iface,
		"role":          &r.role,
		"metered":       &r.metered,
		"rate_down":     &r.rateDown,
		"rate_up":       &r.rateUp,
		"quota":         &r.quota,
		"reset_day":     &r.resetDay,
		"quota_action":  &r.quotaAction,
		"quota_warning": &r.quotaWarning,
	}
}

type rawBypass struct {
	header
	destination, port, host []value
}

func (r *rawBypass) fields() map[string]any {
	return map[string]any{
		"destination": &r.destination,
		"port":        &r.port,
		"host":        &r.host,
	}
}

// decode sorts sections into raw structs and refuses what the file may not
// hold, whatever the values are.
func decode(f *faults, sections []*section) *rawFile {
	r := &rawFile{}
	for _, s := range sections {
		h := header{typ: s.typ, name: s.name, line: s.line}
		var into rawSection
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
		f.fill(into.fields(), s)
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
