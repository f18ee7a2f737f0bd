package source

import "fmt"

// Mode says from which address a client's connections come. The zero value
// leaves it to the configuration's default.
type Mode string

// The modes.
const (
	Shared    Mode = "shared"    // an address of the concentrator
	Preserved Mode = "preserved" // the LAN host's where it is the client's, else the CPE's
	Prefix    Mode = "prefix"    // IPv6: the LAN host's, with the client's prefix; IPv4: shared
)

// ParseMode reads one of the words.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Shared, Preserved, Prefix:
		return m, nil
	}
	return "", fmt.Errorf("source %.20q is not one of \"shared\", \"preserved\", \"prefix\"", s)
}
