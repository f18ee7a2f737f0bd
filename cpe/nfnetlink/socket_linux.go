package nfnetlink

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the kernel may take to answer a request.
const patience = 5 * time.Second

// socket is a netlink socket to netfilter.
type socket struct {
	file *os.File
	seq  uint32
}

func open() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return &socket{file: os.NewFile(uintptr(fd), "nfnetlink")}, nil
}

// ask sends messages at once, of which one wants an acknowledgement, and
// returns what the kernel tells before that, without its headers.
func (s *socket) ask(messages ...message) (attrs, error) {
	s.seq++
	var b []byte
	for _, m := range messages {
		b = m.appendTo(b, s.seq)
	}
	if err := s.write(b); err != nil {
		return nil, err
	}
	if err := s.file.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	defer s.file.SetReadDeadline(time.Time{})
	buf := make([]byte, 8<<10)
	var told attrs
	for {
		n, err := s.file.Read(buf)
		if err != nil {
			return nil, err
		}
		for m, rest, ok := split(buf[:n]); ok; m, rest, ok = split(rest) {
			if m.seq != s.seq || len(m.body) < genLen {
				continue
			}
			if m.kind != unix.NLMSG_ERROR {
				told = append(told, m.body[genLen:]...)
				continue
			}
			if code := int32(binary.NativeEndian.Uint32(m.body)); code != 0 {
				return nil, fmt.Errorf("netfilter: %w", unix.Errno(-code))
			}
			return told, nil
		}
	}
}

// write sends to the kernel.
func (s *socket) write(b []byte) error {
	_, err := s.file.Write(b)
	return err
}

func (s *socket) setInt(level, option, value int) error {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	if err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, value) }); err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", set)
}
