package mptcp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// setReceiveBuffer fixes the receive buffer at n bytes of payload or so,
// beyond net.core.rmem_max where the process has CAP_NET_ADMIN. 0 leaves it to
// the kernel, which lets it grow with the reader's pace.
//
// The kernel's own choice can end a connection with several subflows for good
// (Linux 6.18.44, seen at 2 × 20 Mbit/s and 60 ms with tcp_rmem's default of
// 128 KiB): out-of-order data fills the buffer, the missing piece waits in a
// subflow's queue and is not let in for want of room (mptcp_data_ready), and
// only a reader could make room.
func setReceiveBuffer(fd, n int) error {
	if n == 0 {
		return nil
	}
	err := setInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n)
	if err == unix.EPERM {
		err = setInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, n)
	}
	if err != nil {
		return fmt.Errorf("set %q: %w", "SO_RCVBUFFORCE", err)
	}
	return nil
}
