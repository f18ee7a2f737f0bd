package pairing

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"tandem/shared/credential"
)

// Limits of what a line carries.
const (
	MaxAddresses = 8
	MaxName      = 64  // bytes of a client's name
	maxHost      = 253 // bytes (RFC 1035 section 2.3.4, without the root)
	maxLabel     = 63
)

// Line is the content of a pairing line. Printing it does not show the key.
type Line struct {
	ID     credential.KeyID
	Key    credential.Key
	Client string // its name at the concentrator: letters, digits, dot, dash, underscore
	Port   uint16 // not 0

	// Where the concentrator is: either its addresses, all of the same host,
	// the preferred one first, or a host name.
	Addresses []netip.Addr
	Host      string
}

func (l *Line) check() error {
	switch {
	case l.Key.IsZero():
		return errors.New("pairing line: no key")
	case l.Port == 0:
		return errors.New("pairing line: port 0")
	case len(l.Addresses) > MaxAddresses:
		return fmt.Errorf("pairing line: %d addresses, at most %d", len(l.Addresses), MaxAddresses)
	case (len(l.Addresses) == 0) == (l.Host == ""):
		return errors.New("pairing line: either addresses or a host name")
	}
	if err := checkName(l.Client); err != nil {
		return err
	}
	if l.Host != "" {
		return CheckHost(l.Host)
	}
	seen := make(map[netip.Addr]bool)
	for _, a := range l.Addresses {
		switch {
		case !a.IsValid() || a.IsUnspecified() || a.IsMulticast():
			return fmt.Errorf("pairing line: address %q is not one of a host", a)
		case a.Zone() != "" || a.Is4In6():
			return fmt.Errorf("pairing line: address %q: without a zone, and IPv4 as such", a)
		case seen[a]:
			return fmt.Errorf("pairing line: address %q is given twice", a)
		}
		seen[a] = true
	}
	return nil
}

func checkName(s string) error {
	if s == "" || len(s) > MaxName || strings.ContainsFunc(s, func(r rune) bool { return !letter(r) && r != '.' && r != '_' }) {
		return fmt.Errorf("pairing line: client name %q: 1 to %d letters, digits, dots, dashes and underscores", clip(s), MaxName)
	}
	return nil
}

// CheckHost says why s is not a host name that a line can carry: one as RFC
// 1123 section 2.1 has it, which cannot be taken for an address.
func CheckHost(s string) error {
	labels := strings.Split(s, ".")
	bad := len(s) > maxHost || !strings.ContainsFunc(labels[len(labels)-1], func(r rune) bool { return r < '0' || r > '9' })
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !letter(r) }) {
			bad = true
		}
	}
	if bad {
		return fmt.Errorf("pairing line: %q is not a host name", clip(s))
	}
	return nil
}

func letter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-'
}

func clip(s string) string {
	if len(s) > MaxName {
		return s[:MaxName] + "…"
	}
	return s
}
