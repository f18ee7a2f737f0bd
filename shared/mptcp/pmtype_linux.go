package mptcp

import (
	"os"
	"strings"
)

// pmType is 1 where connections that are made from now on are left to
// userspace, 0 where the kernel cares for them (Linux 5.19). Linux 6.15 has
// net.mptcp.path_manager besides, and keeps the two in step.
const pmType = "/proc/sys/net/mptcp/pm_type"

// UserspacePM tells who cares for the connections that the network namespace of
// the calling thread makes from now on.
func UserspacePM() (bool, error) {
	text, err := os.ReadFile(pmType)
	return strings.TrimSpace(string(text)) == "1", err
}

// SetUserspacePM changes that; connections that exist keep what they have. It
// needs CAP_NET_ADMIN, and /proc/sys writable.
func SetUserspacePM(on bool) error {
	text := "0"
	if on {
		text = "1"
	}
	return os.WriteFile(pmType, []byte(text), 0)
}
