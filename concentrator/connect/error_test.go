package connect

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestExplain covers errnos that are hard to bring about.
func TestExplain(t *testing.T) {
	sys := func(call string, errno unix.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, errno)}
	}
	live := context.Background()
	late, cancel := context.WithDeadline(live, time.Unix(0, 0))
	defer cancel()
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		v6   bool
		want string // the Error TLV
	}{
		{"refused", live, sys("connect", unix.ECONNREFUSED), false, "1e016000"},
		{"reset", live, sys("connect", unix.ECONNRESET), true, "1e016000"},
		{"host unreachable", live, sys("connect", unix.EHOSTUNREACH), false, "1e016101"},
		{"host unreachable, IPv6", live, sys("connect", unix.EHOSTUNREACH), true, "1e016103"},
		{"kernel's timeout", live, sys("connect", unix.ETIMEDOUT), false, "1e016101"},
		{"our deadline", late, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, false, "1e016101"},
		{"our deadline, IPv6", late, context.DeadlineExceeded, true, "1e016103"},
		{"no route", live, sys("connect", unix.ENETUNREACH), false, "1e01410a"},
		{"network down", live, sys("connect", unix.ENETDOWN), false, "1e01410a"},
		{"prohibited here", live, sys("connect", unix.EACCES), false, "1e01410a"},
		{"no IPv6", live, sys("socket", unix.EAFNOSUPPORT), true, "1e01410a"},
		{"mark not permitted", live, sys("setsockopt SO_MARK", unix.EPERM), false, "1e01410a"},
		{"source address", live, sys("bind", unix.EADDRNOTAVAIL), false, "1e01410a"},
		{"out of ports", live, sys("connect", unix.EADDRNOTAVAIL), false, "1e01400a"},
		{"out of ports, routing", live, sys("connect", unix.EAGAIN), false, "1e01400a"},
		{"descriptors", live, sys("socket", unix.EMFILE), false, "1e01400a"},
		{"descriptors, host", live, sys("fcntl F_DUPFD_CLOEXEC", unix.ENFILE), false, "1e01400a"},
		{"buffers", live, sys("connect", unix.ENOBUFS), false, "1e01400a"},
		{"memory", live, sys("socket", unix.ENOMEM), false, "1e01400a"},
		{"unknown", live, errors.New("what"), false, "1e01410a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := fmt.Errorf("over: %w", explain(tt.ctx, tt.err, tt.v6, icmp{}, false))
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, tt.err) {
				t.Fatalf("got %T %v", err, err)
			}
			if got := hex.EncodeToString(e.Append(nil)); got != "01022263"+tt.want {
				t.Errorf("got %s, want header and %s", got, tt.want)
			}
		})
	}
	stopped, cancel := context.WithCancel(live)
	cancel()
	if err := explain(stopped, sys("connect", unix.ECONNREFUSED), false, icmp{}, false); err != context.Canceled {
		t.Errorf("cancelled: got %v", err)
	}
}
