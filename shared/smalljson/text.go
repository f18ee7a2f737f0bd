package smalljson

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"time"
)

// setText knows the types that are read from text by name. Through
// encoding.TextUnmarshaler it would know all, and every program would have what
// all types that it knows need for it: 35 kB for time.Time alone.
func setText(v reflect.Value, s string) (err error) {
	var to any
	if v.CanAddr() {
		to = v.Addr().Interface()
	}
	switch to := to.(type) {
	case *time.Time:
		*to, err = parseTime(s)
	case *netip.Addr:
		if *to = (netip.Addr{}); s != "" {
			*to, err = netip.ParseAddr(s)
		}
	case *netip.AddrPort:
		if *to = (netip.AddrPort{}); s != "" {
			*to, err = netip.ParseAddrPort(s)
		}
	case *netip.Prefix:
		if *to = (netip.Prefix{}); s != "" {
			*to, err = netip.ParsePrefix(s)
		}
	default:
		if v.Kind() != reflect.String {
			return fmt.Errorf("string for a %s", v.Type())
		}
		v.SetString(s)
	}
	return err
}

var errTime = errors.New("no time such as 2006-01-02T15:04:05.999Z")

// parseTime reads a time as RFC 3339 section 5.6 has it. There is no second 60.
func parseTime(s string) (time.Time, error) {
	const layout = "0000-00-00T00:00:00" // 0: a digit
	if len(s) <= len(layout) {
		return time.Time{}, errTime
	}
	for i, c := range []byte(layout) {
		if c == '0' && !digit(s[i]) || c != '0' && s[i] != c {
			return time.Time{}, errTime
		}
	}
	n := func(from, to int) int { n, _ := strconv.Atoi(s[from:to]); return n }
	year, month, day := n(0, 4), time.Month(n(5, 7)), n(8, 10)
	hour, minute, second := n(11, 13), n(14, 16), n(17, 19)
	rest, nanoseconds := s[len(layout):], 0
	if rest[0] == '.' {
		end := 1
		for unit := 100_000_000; end < len(rest) && digit(rest[end]); end++ {
			nanoseconds += unit * int(rest[end]-'0')
			unit /= 10
		}
		if end == 1 {
			return time.Time{}, errTime
		}
		rest = rest[end:]
	}
	zone, err := parseZone(rest)
	if err != nil || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, errTime
	}
	t := time.Date(year, month, day, hour, minute, second, nanoseconds, zone)
	if y, m, d := t.Date(); y != year || m != month || d != day {
		return time.Time{}, errTime // 31 April
	}
	return t, nil
}

// parseZone reads Z, +hh:mm or -hh:mm.
func parseZone(s string) (*time.Location, error) {
	if s == "Z" {
		return time.UTC, nil
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' ||
		!digit(s[1]) || !digit(s[2]) || !digit(s[4]) || !digit(s[5]) {
		return nil, errTime
	}
	hours, minutes := int(s[1]-'0')*10+int(s[2]-'0'), int(s[4]-'0')*10+int(s[5]-'0')
	if hours > 23 || minutes > 59 {
		return nil, errTime
	}
	offset := (hours*60 + minutes) * 60
	if s[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
