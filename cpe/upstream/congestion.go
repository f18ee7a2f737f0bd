package upstream

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
)

// bandwidthAgain is when a kernel is asked again that did not have BBR. Each time
// it looks for a module and starts a program to load it, which costs more than
// the rest of a connection.
const bandwidthAgain = time.Minute

// noBandwidth is when that was, Unix time in seconds.
var noBandwidth atomic.Int64

// byBandwidth makes a connection's sender go by the bandwidth that it measures,
// where the kernel has that (BBR; on OpenWrt the package kmod-tcp-bbr). A radio
// line loses packets that say nothing about congestion: at 2 % lost, senders
// that go by loss get a tenth of the line, and hold the other lines up. Where
// there is none the kernel's choice stays.
func byBandwidth(fd int) error {
	if last := noBandwidth.Load(); last != 0 && time.Now().Unix()-last < int64(bandwidthAgain/time.Second) {
		return nil
	}
	if mptcp.SetCongestion(fd, "bbr") == unix.ENOENT {
		noBandwidth.Store(time.Now().Unix())
	}
	return nil
}
