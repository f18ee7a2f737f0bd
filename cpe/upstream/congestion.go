package upstream

import "golang.org/x/sys/unix"

// byBandwidth makes a connection's sender go by the bandwidth that it measures,
// where the kernel has that (BBR; on OpenWrt the package kmod-tcp-bbr). A radio
// line loses packets that say nothing about congestion: at 2 % lost, senders
// that go by loss get a tenth of the line, and hold the other lines up. Where
// there is none the kernel's choice stays.
func byBandwidth(fd int) error {
	_ = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr")
	return nil
}
