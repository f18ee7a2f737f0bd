package bindlog

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
)

// Range is ports, both ends included, without the reserved ones.
type Range struct {
	Low, High uint16
	Reserved  []Range
}

// Has tells whether port is one of them.
func (r Range) Has(port uint16) bool { return port >= r.Low && port <= r.High && !r.reserved(port) }

func (r Range) reserved(port uint16) bool {
	for _, x := range r.Reserved {
		if port >= x.Low && port <= x.High {
			return true
		}
	}
	return false
}

// LocalRange returns the ports that the kernel uses for outgoing connections:
// sysctl net.ipv4.ip_local_port_range without ip_local_reserved_ports, of the
// calling thread's network namespace. They hold for IPv6 too.
func LocalRange() (Range, error) {
	var texts [2]string
	for i, name := range []string{"ip_local_port_range", "ip_local_reserved_ports"} {
		text, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
		if err != nil {
			return Range{}, fmt.Errorf("local ports: %w", err)
		}
		texts[i] = string(text)
	}
	return parseRange(texts[0], texts[1])
}

func parseRange(ports, reserved string) (r Range, err error) {
	if _, err := fmt.Sscan(ports, &r.Low, &r.High); err != nil || r.Low == 0 || r.High < r.Low {
		return Range{}, fmt.Errorf("local ports: %q is no range", strings.TrimSpace(ports))
	}
	for _, part := range strings.FieldsFunc(reserved, func(c rune) bool { return c == ',' || c == '\n' }) {
		var x Range
		low, high, two := strings.Cut(part, "-")
		if !two {
			high = low
		}
		if _, err := fmt.Sscan(low+" "+high, &x.Low, &x.High); err != nil {
			return Range{}, fmt.Errorf("local ports: reserved %q is no range", part)
		}
		r.Reserved = append(r.Reserved, x)
	}
	return r, nil
}

// SetPort makes connect(2) on the socket fd use this local port or fail with
// EADDRNOTAVAIL: IP_LOCAL_PORT_RANGE with a range of one (Linux 6.3), for IPv4
// and IPv6. Where the socket is bound to an address, it must have
// IP_BIND_ADDRESS_NO_PORT set before.
func SetPort(fd int, port uint16) error {
	// High half: last port, low half: first port.
	both := uint32(port)<<16 | uint32(port)
	return os.NewSyscallError("setsockopt IP_LOCAL_PORT_RANGE",
		mptcp.SetInt(fd, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, int(int32(both))))
}
