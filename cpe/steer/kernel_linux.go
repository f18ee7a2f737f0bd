package steer

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CreateForgetsDevice tells whether SUBFLOW_CREATE may leave the device and
// the backup flag out that it is given. Linux 6.6 does (net/mptcp/pm_userspace.c)
// and 6.18 does not; in between to announce the address costs two packets on
// a subflow that exists, and does no harm. Where the announcement does not help
// either, a route by the line's source address does.
func CreateForgetsDevice() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return true
	}
	parts := strings.SplitN(unix.ByteSliceToString(u.Release[:]), ".", 3)
	if len(parts) < 2 {
		return true
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err != nil || err2 != nil || major < 6 || major == 6 && minor < 18
}
