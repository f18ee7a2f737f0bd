package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"tandem/shared/credential"
	"tandem/shared/logline"
	"tandem/shared/order"
)

// parseBool reads what OpenWrt's config_get_bool reads.
func parseBool(s string) (bool, error) {
	switch s {
	case "1", "on", "true", "yes", "enabled":
		return true, nil
	case "0", "off", "false", "no", "disabled":
		return false, nil
	}
	return false, fmt.Errorf("%q is not a boolean: write 1 or 0 (yes/no, on/off, true/false, enabled/disabled)", clip(s))
}

// choice returns a parser for one of a few words.
func choice[T any](of map[string]T) func(string) (T, error) {
	return func(s string) (T, error) {
		v, ok := of[s]
		if !ok {
			return v, notOneOf(s, namesIn(of))
		}
		return v, nil
	}
}

func notOneOf(s string, words []string) error {
	return fmt.Errorf("%q is not one of %s", clip(s), strings.Join(words, ", "))
}

func logLevels() map[string]logline.Level {
	return map[string]logline.Level{
		"debug": logline.Debug,
		"info":  logline.Info,
		"warn":  logline.Warn,
		"error": logline.Error,
	}
}

// number returns a parser for whole numbers from low to high.
func number(low, high int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil || int(n) < low || int(n) > high {
			return 0, fmt.Errorf("%q is not a whole number from %d to %d", clip(s), low, high)
		}
		return int(n), nil
	}
}

// milliseconds returns a parser for times from low to high.
func milliseconds(low, high time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		n, err := number(int(low.Milliseconds()), int(high.Milliseconds()))(s)
		if err != nil {
			return 0, fmt.Errorf("%w (milliseconds)", err)
		}
		return time.Duration(n) * time.Millisecond, nil
	}
}

// parseSize reads an amount of data as contracts name it: powers of ten.
func parseSize(s string) (uint64, error) {
	units := map[byte]uint64{'M': 1e6, 'G': 1e9, 'T': 1e12}
	if n := len(s) - 1; n > 0 && n <= maxSizeDigits && units[s[n]] != 0 {
		if v, err := strconv.ParseUint(s[:n], 10, 32); err == nil && v > 0 {
			return v * units[s[n]], nil
		}
	}
	return 0, fmt.Errorf("%q is not an amount of data such as 500M, 20G or 1T: a whole number of at most %d digits and M, G or T", clip(s), maxSizeDigits)
}

// maxSizeDigits keeps the largest size far from what 64 bits hold.
const maxSizeDigits = 6

func parsePort(s string) (uint16, error) {
	n, err := number(1, 65535)(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port from 1 to 65535", clip(s))
	}
	return uint16(n), nil
}

// parsePortRange reads "80", "8000-8100" or, as the firewall does,
// "8000:8100".
func parsePortRange(s string) (PortRange, error) {
	first, last, isRange := strings.Cut(strings.Replace(s, ":", "-", 1), "-")
	if !isRange {
		last = first
	}
	low, err1 := parsePort(first)
	high, err2 := parsePort(last)
	if err1 != nil || err2 != nil || low > high {
		return PortRange{}, fmt.Errorf("%q is not a port from 1 to 65535 or a range such as 8000-8100", clip(s))
	}
	return PortRange{First: low, Last: high}, nil
}

// parseAddress reads the address of a concentrator.
func parseAddress(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || a.Zone() != "" || a.Is4In6():
		return a, fmt.Errorf("%q is not an IPv4 or IPv6 address (names are not looked up)", clip(s))
	case a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return a, fmt.Errorf("%q is not the address of one host", clip(s))
	}
	return a, nil
}

// parsePrefix reads an address or a prefix without host bits.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return p, fmt.Errorf("%q is not an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32", clip(s))
	}
	if p.Masked() != p {
		return p, fmt.Errorf("%q has bits set after its prefix length: write %v", clip(s), p.Masked())
	}
	return p, nil
}

// parseHost reads a LAN host: address, prefix or 48-bit MAC address.
func parseHost(s string) (netip.Prefix, net.HardwareAddr, error) {
	if mac := parseMAC(s); mac != nil {
		return netip.Prefix{}, mac, nil
	}
	p, err := parsePrefix(s)
	if err != nil {
		return p, nil, fmt.Errorf("%w, or a MAC address such as 02:00:5e:00:53:01", err)
	}
	return p, nil, nil
}

// parseMAC reads the ways to write 48 bits that net.ParseMAC of Go 1.26 knows:
// with colons, with hyphens, in three parts with dots, or with nothing between;
// nil if it is none of them.
func parseMAC(s string) net.HardwareAddr {
	s = strings.ToLower(s)
	digits := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, ":", ""), "-", ""), ".", "")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != 6 {
		return nil
	}
	mac := net.HardwareAddr(b)
	if colons := mac.String(); s != colons && s != strings.ReplaceAll(colons, ":", "-") && s != digits[:4]+"."+digits[4:8]+"."+digits[8:] && s != digits {
		return nil
	}
	return mac
}

// parseDevice reads a kernel device name. The kernel allows more characters,
// but those mean something else in nftables or in UCI.
func parseDevice(s string) (string, error) {
	if !validName(s, ".-+~") || len(s) > maxDeviceName || s == "." || s == ".." {
		return "", fmt.Errorf("%q is not a device name: 1 to %d letters, digits and . _ - + ~", clip(s), maxDeviceName)
	}
	return s, nil
}

// parseInterface reads the name of an OpenWrt interface, a UCI section name.
func parseInterface(s string) (string, error) {
	if !validName(s, "") {
		return "", fmt.Errorf("%q is not an interface name: letters, digits and _ are allowed", clip(s))
	}
	return s, nil
}

// parseCookie reads the value of a Cookie TLV. Only whole 32-bit words: the
// TLV's length counts words, so padding would become part of the cookie.
func parseCookie(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 || len(b)%4 != 0 || len(b) > maxCookie {
		return nil, fmt.Errorf("not a cookie: hexadecimal, 4 to %d bytes, a multiple of 4 bytes", maxCookie)
	}
	return b, nil
}

// parseKeyID reads the name of a key. It never quotes: somebody may have put the
// secret there.
func parseKeyID(s string) (credential.KeyID, error) {
	id, err := credential.ParseKeyID(s)
	if err != nil || id == (credential.KeyID{}) {
		return id, fmt.Errorf("not a key id: 16 hexadecimal digits, as tandem-cpe join writes them (the secret is not in this file)")
	}
	return id, nil
}

func parseSocketPath(s string) (string, error) {
	if !path.IsAbs(s) || len(s) > maxSocketPath || path.Clean(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		return "", fmt.Errorf("%q is not a clean absolute path of at most %d bytes", clip(s), maxSocketPath)
	}
	return s, nil
}

// namesIn returns the keys of a table, sorted.
func namesIn[V any](table map[string]V) []string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	order.Strings(names)
	return names
}
