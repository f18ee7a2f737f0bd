package nfnetlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// of linux/netfilter/nfnetlink_queue.h
const (
	msgPacket, msgVerdict, msgConfig = 0, 1, 2

	cfgCommand, cfgParams, cfgMaxLen, cfgMask, cfgFlags = 1, 2, 3, 4, 5
	commandBind, copyPacket, flagFailOpen               = 1, 2, 1

	attrPacketHeader, attrVerdict, attrMark, attrSource, attrPayload = 1, 2, 3, 9, 10
)

// Verdict is what becomes of a queued packet.
type Verdict uint32

// The verdicts (linux/netfilter.h).
const (
	Drop   Verdict = 0
	Accept Verdict = 1 // it goes on at the next hook
)

// Packet is one that waits in the queue.
type Packet struct {
	ID      uint32
	Mark    uint32
	Source  []byte // link-layer address of its sender, where there is one
	Payload []byte // its first bytes, from the network header on
}

// Queue is a netfilter queue. When it is closed, also by the end of the
// program, the kernel drops the packets that wait; rules that say bypass let
// the next ones pass.
type Queue struct {
	number uint16
	socket *socket
	buf    []byte
}

// OpenQueue takes over the queue with that number. At most waiting packets
// are held; more pass as if nobody listened. Of each, snap bytes are copied.
func OpenQueue(number uint16, waiting, snap int) (*Queue, error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	q := &Queue{number: number, socket: s, buf: make([]byte, 16<<10)}
	if err := q.configure(waiting, snap); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("netfilter queue %d: %w", number, err)
	}
	return q, nil
}

func (q *Queue) configure(waiting, snap int) error {
	// What does not fit into the socket's buffer passes (fail-open); that it
	// did not fit is no error of the next read.
	if err := q.socket.setInt(unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1); err != nil {
		return err
	}
	_ = q.socket.setInt(unix.SOL_SOCKET, unix.SO_RCVBUF, 512<<10)
	config := func(a attrs) error {
		_, err := q.socket.ask(message{kind: subsysQueue<<8 | msgConfig, flags: unix.NLM_F_ACK, resource: q.number, attrs: a})
		return err
	}
	if err := config(attrs(nil).add(cfgCommand, []byte{commandBind, 0, 0, unix.AF_UNSPEC})); err != nil {
		return err
	}
	return config(attrs(nil).
		uint32(cfgMaxLen, uint32(waiting)).
		uint32(cfgMask, flagFailOpen).uint32(cfgFlags, flagFailOpen).
		add(cfgParams, append(binary.BigEndian.AppendUint32(nil, uint32(snap)), copyPacket)))
}

// Read waits for packets and hands each to each. It returns nil when the queue
// is closed. A packet's payload is valid until each returns.
func (q *Queue) Read(each func(Packet)) error {
	for {
		n, err := q.socket.file.Read(q.buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return nil
		case errors.Is(err, unix.ENOBUFS):
			continue
		case err != nil:
			return err
		}
		for m, rest, ok := split(q.buf[:n]); ok; m, rest, ok = split(rest) {
			if m.kind == subsysQueue<<8|msgPacket && len(m.body) >= genLen {
				each(parsePacket(attrs(m.body[genLen:])))
			}
		}
	}
}

func parsePacket(a attrs) (p Packet) {
	for kind, value, rest, ok := a.next(); ok; kind, value, rest, ok = rest.next() {
		switch {
		case kind == attrPacketHeader && len(value) >= 4:
			p.ID = binary.BigEndian.Uint32(value)
		case kind == attrMark && len(value) >= 4:
			p.Mark = binary.BigEndian.Uint32(value)
		case kind == attrSource && len(value) >= 4:
			if n := int(binary.BigEndian.Uint16(value)); n <= len(value)-4 {
				p.Source = append([]byte(nil), value[4:4+n]...)
			}
		case kind == attrPayload:
			p.Payload = value
		}
	}
	return p
}

// Decide gives a packet its verdict, and the mark that it goes on with. It may
// be called from any goroutine.
func (q *Queue) Decide(id uint32, v Verdict, mark uint32) error {
	a := attrs(nil).
		add(attrVerdict, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(v)), id)).
		uint32(attrMark, mark)
	return q.socket.write(message{kind: subsysQueue<<8 | msgVerdict, resource: q.number, attrs: a}.appendTo(nil, 0))
}

// Close ends Read and gives the queue up.
func (q *Queue) Close() error { return q.socket.file.Close() }
