package config

import (
	"net/netip"
	"slices"

	"tandem/shared/order"
)

// config checks ranges, sets defaults and looks across sections. What it
// returns is valid only if f has no errors.
func (r *rawFile) config(f *faults) *Config {
	c := Default()
	if r.main != nil {
		r.main.apply(f, &c)
	}
	r.addConcentrators(f, &c)
	r.addWANs(f, &c)
	for _, b := range r.bypasses {
		b.apply(f, &c.Bypass)
	}
	r.addRules(f, &c)
	r.addRedirects(f, &c)
	if c.Enabled && len(c.Concentrators) == 0 {
		f.add(r.main.line, "%v: enabled, but no section concentrator is", r.main.header)
	}
	return &c
}

func (r *rawMain) apply(f *faults, c *Config) {
	take(f, &c.Enabled, r.Enabled, parseBool)
	takeList(f, &c.LAN, r.LAN, parseDevice)
	take(f, &c.Mode, r.Mode, parseMode)
	take(f, &c.Accept, r.Accept, choice(map[string]Accept{"early": AcceptEarly, "faithful": AcceptFaithful}))
	r.applyFirstByte(f, c)
	take(f, &c.FirstDataWait, r.FirstDataWait, milliseconds(0, maxFirstDataWait))
	takeList(f, &c.ServerFirstPorts, r.ServerFirstPort, parsePort)
	order.Slice(c.ServerFirstPorts, func(i, j int) bool { return c.ServerFirstPorts[i] < c.ServerFirstPorts[j] })
	take(f, &c.OnFailure, r.OnFailure, choice(map[string]OnFailure{"direct": FailDirect, "refuse": FailRefuse}))
	take(f, &c.Port, r.Port, parsePort)
	take(f, &c.ConnectTimeout, r.ConnectTimeout, milliseconds(minTimeout, maxTimeout))
	take(f, &c.MaxFlows, r.MaxFlows, number(1, maxMaxFlows))
	take(f, &c.MemoryLimit, r.MemoryLimit, number(0, maxMemory))
	take(f, &c.GCPercent, r.GCPercent, number(0, maxGCPercent))
	take(f, &c.QUIC, r.Quic, choice(map[string]QUIC{"pass": QUICPass, "refuse": QUICRefuse}))
	take(f, &c.LogLevel, r.LogLevel, choice(logLevels()))
	take(f, &c.Control, r.Control, parseSocketPath)
}

// applyFirstByte reads first_byte, the size of the pool, and syn_data, which
// first_byte replaced.
func (r *rawMain) applyFirstByte(f *faults, c *Config) {
	take(f, &c.FirstByte, r.SynData, choice(map[string]FirstByte{"off": FirstBytePlain, "on": FirstByteSYN}))
	if r.SynData != nil && r.FirstByte != nil {
		f.add(r.SynData.line, "option \"syn_data\": first_byte has replaced it: remove this line")
	}
	take(f, &c.FirstByte, r.FirstByte, choice(map[string]FirstByte{
		"auto": FirstByteAuto, "warm": FirstByteWarm, "syn": FirstByteSYN, "plain": FirstBytePlain}))
	take(f, &c.WarmMin, r.WarmMin, number(0, maxWarm))
	take(f, &c.WarmMax, r.WarmMax, number(0, maxWarm))
	switch {
	case c.WarmMin <= c.WarmMax:
	case r.WarmMax == nil:
		c.WarmMax = c.WarmMin
	case r.WarmMin == nil:
		c.WarmMin = c.WarmMax
	default:
		f.add(r.WarmMin.line, "option \"warm_min\": %d is more than warm_max, %d", c.WarmMin, c.WarmMax)
	}
}

func (r *rawFile) addConcentrators(f *faults, c *Config) {
	for _, raw := range r.concentrators {
		enabled := true
		one := Concentrator{Name: raw.name, Port: defaultConvertPort}
		take(f, &enabled, raw.Enabled, parseBool)
		takeList(f, &one.Addresses, raw.Address, parseAddress)
		take(f, &one.Port, raw.Port, parsePort)
		take(f, &one.Cookie, raw.Cookie, parseCookie)
		take(f, &one.Key, raw.Key, parseKeyID)
		take(f, &one.Forwards, raw.Forwards, parseBool)
		take(f, &one.OnPath, raw.Mode, choice(map[string]bool{"explicit": false, "on-path": true}))
		if one.OnPath && (raw.Key != nil || raw.Cookie != nil || one.Forwards) {
			f.add(raw.line, "%v: in mode on-path there is no request: remove key, cookie and forwards", raw.header)
		}
		switch {
		case len(raw.Address) == 0 && enabled:
			f.add(raw.line, "%v: needs at least one: list address", raw.header)
		case len(raw.Address) > maxAddresses:
			f.add(raw.line, "%v: has %d addresses: at most %d are allowed", raw.header, len(raw.Address), maxAddresses)
		}
		if !enabled {
			continue
		}
		c.Concentrators = append(c.Concentrators, one)
		if len(c.Concentrators) == maxConcentrators+1 {
			f.add(raw.line, "%v: at most %d concentrators may be enabled", raw.header, maxConcentrators)
		}
	}
}

func (r *rawFile) addWANs(f *faults, c *Config) {
	lines := map[string]int{} // of each device or interface in use
	var roles []*value        // of the WANs taken
	for _, raw := range r.wans {
		enabled := true
		w := WAN{Name: raw.name, ResetDay: defaultResetDay, QuotaWarning: defaultQuotaWarning}
		take(f, &enabled, raw.Enabled, parseBool)
		take(f, &w.Device, raw.Device, parseDevice)
		take(f, &w.Interface, raw.Interface, parseInterface)
		take(f, &w.Role, raw.Role, choice(map[string]Role{"primary": Primary, "secondary": Secondary, "standby": Standby}))
		take(f, &w.Metered, raw.Metered, parseBool)
		take(f, &w.RateDown, raw.RateDown, number(0, maxRate))
		take(f, &w.RateUp, raw.RateUp, number(0, maxRate))
		raw.applyQuota(f, &w)
		if (raw.Device == nil) == (raw.Interface == nil) {
			f.add(raw.line, "%v: needs exactly one of option device and option interface", raw.header)
		}
		if !enabled {
			continue
		}
		key := "device " + w.Device
		if w.Device == "" {
			key = "interface " + w.Interface
		}
		if first := lines[key]; first != 0 {
			f.add(raw.line, "%v: %s is the wan of line %d already", raw.header, key, first)
		}
		if slices.Contains(c.LAN, w.Device) {
			f.add(raw.line, "%v: device %q is also in list lan", raw.header, w.Device)
		}
		lines[key] = raw.line
		roles = append(roles, raw.Role)
		c.WANs = append(c.WANs, w)
		if len(c.WANs) == maxWANs+1 {
			f.add(raw.line, "%v: at most %d wans may be enabled", raw.header, maxWANs)
		}
	}
	defaultRoles(c.WANs, roles)
	if len(c.WANs) > 0 && !slices.ContainsFunc(c.WANs, func(w WAN) bool { return w.Role != Standby }) {
		f.add(r.wans[0].line, "%v: all wans are standby: one must be primary or secondary", r.wans[0].header)
	}
}

func (r *rawWAN) applyQuota(f *faults, w *WAN) {
	take(f, &w.Quota, r.Quota, parseSize)
	take(f, &w.ResetDay, r.ResetDay, number(1, maxResetDay))
	take(f, &w.QuotaAction, r.QuotaAction, choice(map[string]QuotaAction{"standby": QuotaStandby, "off": QuotaOff}))
	take(f, &w.QuotaWarning, r.QuotaWarning, number(1, maxQuotaWarning))
}

// defaultRoles gives a role to the WANs that name none: the first is primary
// unless the file names another one so, the rest are secondary.
func defaultRoles(wans []WAN, given []*value) {
	named := slices.ContainsFunc(given, func(v *value) bool { return v != nil && v.text == "primary" })
	for i := range wans {
		if given[i] != nil {
			continue
		}
		wans[i].Role = Secondary
		if !named {
			wans[i].Role, named = Primary, true
		}
	}
}

func (r *rawBypass) apply(f *faults, b *Bypass) {
	var destinations []netip.Prefix
	takeList(f, &destinations, r.Destination, parsePrefix)
	b.Destinations = append(b.Destinations, destinations...)
	var ports []PortRange
	takeList(f, &ports, r.Port, parsePortRange)
	b.Ports = append(b.Ports, ports...)
	hosts, macs := takeHosts(f, r.Host)
	b.Hosts, b.MACs = append(b.Hosts, hosts...), append(b.MACs, macs...)
}

// take replaces *to if the option is set; parse says what is allowed.
func take[T any](f *faults, to *T, v *value, parse func(string) (T, error)) {
	if v == nil {
		return
	}
	if got, err := parse(v.text); f.right("option", v, err) {
		*to = got
	}
}

// takeList replaces *to if the list has elements; parse is for one element.
func takeList[T any](f *faults, to *[]T, vs []value, parse func(string) (T, error)) {
	if len(vs) == 0 {
		return
	}
	*to = nil
	for i := range vs {
		if got, err := parse(vs[i].text); f.right("list", &vs[i], err) {
			*to = append(*to, got)
		}
	}
}

// right notes what is wrong with a value of an option or a list, if anything is.
func (f *faults) right(kind string, v *value, err error) bool {
	if err != nil {
		f.add(v.line, "%s %q: %v", kind, v.option, err)
	}
	return err == nil
}
