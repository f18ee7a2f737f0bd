package mptcp

import (
	"os"
	"strings"
)

// blackholeTimeout is for how many seconds the connections that a network
// namespace makes do without MPTCP after one SYN with it found no answer and the
// next one without it did; longer each time (Linux 6.12; 0: never).
const blackholeTimeout = "/proc/sys/net/mptcp/blackhole_timeout"

// BlackholeTimeout returns that of the calling thread's network namespace. On a
// kernel that has none the error is os.ErrNotExist.
func BlackholeTimeout() (seconds string, err error) {
	text, err := os.ReadFile(blackholeTimeout)
	return strings.TrimSpace(string(text)), err
}

// SetBlackholeTimeout changes it, and ends what it has begun. It needs /proc/sys
// writable.
func SetBlackholeTimeout(seconds string) error {
	return os.WriteFile(blackholeTimeout, []byte(seconds), 0)
}
