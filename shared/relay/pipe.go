package relay

import "golang.org/x/sys/unix"

// pipe carries what a direction moves that is never done in one turn. Splice(2)
// puts the pages of a TCP socket into it, so that bytes are copied once on their
// way, into the other socket, not twice. Of an MPTCP socket it copies them
// itself before Linux 7.0, into pages that it must find first: nothing is saved.
type pipe struct{ in, out int }

// maxPipes bounds the descriptors that an engine has beyond two for each flow.
const maxPipes = 16

// pipe returns a new pipe for what comes from src; nil where none is to be had
// or of no use.
func (e *Engine) pipe(src *leg) *pipe {
	protocol, err := unix.GetsockoptInt(src.fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || protocol != unix.IPPROTO_TCP {
		return nil
	}
	if e.pipes.Add(1) > maxPipes {
		e.pipes.Add(-1)
		return nil
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		e.pipes.Add(-1)
		return nil
	}
	// If it stays smaller it is slower.
	_, _ = unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, largest)
	return &pipe{in: ends[1], out: ends[0]}
}

func (e *Engine) closePipe(p *pipe) {
	closeFD(p.in)
	closeFD(p.out)
	e.pipes.Add(-1)
}

// splice moves at most n bytes without waiting: sockets are taken at their
// O_NONBLOCK here.
func splice(from, to, n int) (int, error) {
	for {
		moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch errno {
		case 0:
			return int(moved), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
