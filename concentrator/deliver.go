package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
	"tandem/shared/relay"
)

const (
	// lostPatience is how long a request whose connection broke before its
	// answer arrived waits to be sent again: as long as a CPE needs to find out
	// that a line is dead.
	lostPatience = 2 * time.Second
	// deliverLimit ends the watch over an answer.
	deliverLimit = 10 * time.Second
	// deliverTick is how often is looked whether an answer has arrived while
	// nothing else happens.
	deliverTick = 20 * time.Millisecond
	// keptMost is how much of what the server says is kept to be said again, and
	// so how much is sent before the answer has arrived: more than what the
	// kernel sends in the first round trip (ten segments).
	keptMost = 64 << 10
	// pieceSize is how much of that is read at a time.
	pieceSize = 16 << 10
)

// hand gives the CPE the answer, on whatever connection it arrives, and tells
// the server what the LAN host said that it does not know yet. It returns that
// connection and how many bytes of the server it has moved.
func (s *server) hand(ctx context.Context, x *exchange, cpe *relay.Socket, halfOpen bool, server *relay.Socket, answer, later []byte) (*relay.Socket, int, error) {
	cpe, err := s.deliver(ctx, x, cpe, halfOpen, answer)
	if err == nil && len(later) > 0 {
		_, err = server.Write(later)
	}
	if err == nil {
		err = x.tell(server)
	}
	if err != nil || x == nil {
		return cpe, 0, err
	}
	info, err := mptcp.Inspect(cpe)
	if err != nil || info.Fallback || info.ExtraSubflows > 0 {
		// Its acknowledgements cannot be seen; or another line has it too, and the
		// kernel sees to the rest.
		return cpe, 0, nil
	}
	return s.confirm(ctx, x, cpe, &info, server, answer)
}

// deliver writes the answer, to the connection on which the request came last,
// and returns that connection. halfOpen: its handshake was not complete when it was
// last looked at.
func (s *server) deliver(ctx context.Context, x *exchange, cpe *relay.Socket, halfOpen bool, message []byte) (*relay.Socket, error) {
	for {
		err := error(nil)
		if halfOpen {
			err = s.handshake(ctx, x, cpe)
		}
		if err == nil {
			err = say(cpe, message)
		}
		patience := lostPatience
		if err == nil {
			patience = 0
		}
		next := x.await(ctx, patience)
		if next == nil {
			return cpe, err
		}
		s.counters.moved.Add(1)
		_ = cpe.Reset()
		cpe, halfOpen = next, false // copies come with their handshake complete
	}
}

// confirm stays with a connection that has just been answered, and that is since
// as info says, until the answer has arrived. Should the request come again
// meanwhile, it says there what was said here. It returns the CPE's last
// connection and how many bytes of the server it has moved.
//
// What the CPE says is left for the relay: it says nothing more before it has
// the answer.
func (s *server) confirm(ctx context.Context, x *exchange, cpe *relay.Socket, info *mptcp.Info, server *relay.Socket, answer []byte) (*relay.Socket, int, error) {
	if info.SendUnacked == info.WriteSeq && !x.pending() {
		return cpe, 0, nil
	}
	buf := s.pieces.Get().(*[pieceSize]byte)
	defer s.pieces.Put(buf)
	d := &delivery{x: x, server: server, buf: buf[:], kept: append(make([]byte, 0, 256), answer...), answer: len(answer)}
	d.to(cpe, info)
	x.whenAgain(d.interrupt)
	err := d.run(ctx)
	for err != nil || x.pending() {
		next := x.await(ctx, lostPatience)
		if next == nil {
			break
		}
		s.counters.moved.Add(1)
		d.leave()
		_ = d.cpe.Reset()
		if err = d.again(next); err == nil {
			if err := x.tell(server); err != nil {
				return next, 0, err
			}
			err = d.run(ctx)
		}
	}
	d.leave()
	x.whenAgain(nil)
	_ = server.SetReadDeadline(time.Time{})
	if err == nil {
		err = d.broken
	}
	return d.cpe, len(d.kept) - d.answer, err
}

// delivery is an answer on its way.
type delivery struct {
	x           *exchange
	cpe, server *relay.Socket
	buf         []byte // to read into
	kept        []byte // what was said: the answer, and the server's bytes
	answer      int    // length of the answer
	begin       uint64 // the MPTCP sequence number of kept[0]
	ended       bool   // the server has said all
	broken      error  // with which the server ended
}

// to takes a connection on which kept has been written. Until leave, the wait
// for the server is interrupted when the CPE says something or ends.
func (d *delivery) to(cpe *relay.Socket, info *mptcp.Info) {
	d.cpe = cpe
	d.begin = info.WriteSeq - uint64(len(d.kept))
	cpe.Notify(d.interrupt)
}

// again says on another connection what was said before.
func (d *delivery) again(cpe *relay.Socket) error {
	d.cpe = cpe
	_ = cpe.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err := cpe.Write(d.kept)
	_ = cpe.SetWriteDeadline(time.Time{})
	if err != nil {
		return err
	}
	if info, err := mptcp.Inspect(cpe); err == nil && !info.Fallback {
		d.to(cpe, &info)
	}
	if d.ended {
		_ = cpe.CloseWrite()
	}
	return nil
}

func (d *delivery) leave() { d.cpe.Notify(nil) }

// interrupt ends a wait for the server. One that is about to begin lasts for
// deliverTick at most.
func (d *delivery) interrupt() { _ = d.server.SetReadDeadline(time.Unix(1, 0)) }

// run moves the server's bytes until the answer, which had not arrived before, has:
// nil then, and whenever the rest is the relay's to deal with. An error is the loss
// of the CPE's connection.
func (d *delivery) run(ctx context.Context) error {
	for limit := time.Now().Add(deliverLimit); time.Now().Before(limit) && ctx.Err() == nil && !d.x.pending(); {
		if d.ended || d.broken != nil || len(d.kept) >= keptMost {
			time.Sleep(deliverTick)
		} else if err := d.move(); err != nil {
			return err
		}
		if arrived, err := d.arrived(); arrived || err != nil {
			return err
		}
	}
	return nil
}

// move waits a moment for what the server says, and passes it on.
func (d *delivery) move() error {
	_ = d.server.SetReadDeadline(time.Now().Add(deliverTick))
	n, err := d.server.Read(d.buf[:min(len(d.buf), keptMost-len(d.kept))])
	switch {
	case err == nil:
		d.kept = append(d.kept, d.buf[:n]...)
		_ = d.cpe.SetWriteDeadline(time.Now().Add(5 * time.Second))
		_, err = d.cpe.Write(d.buf[:n])
		_ = d.cpe.SetWriteDeadline(time.Time{})
		return err
	case errors.Is(err, io.EOF):
		d.ended = true
		_ = d.cpe.CloseWrite() // the relay will say it again
	case !errors.Is(err, os.ErrDeadlineExceeded):
		d.broken = err
	}
	return nil
}

// arrived tells whether the CPE's kernel has acknowledged the answer, and all
// that was said if there is no more to come. An error says that its connection
// has ended.
func (d *delivery) arrived() (bool, error) {
	info, err := mptcp.Inspect(d.cpe)
	if err != nil || info.Fallback {
		return true, nil // nothing can be seen
	}
	want := d.answer
	if d.broken != nil {
		want = len(d.kept)
	}
	if int64(info.SendUnacked-d.begin) >= int64(want) {
		return true, nil
	}
	var end error
	raw, err := d.cpe.SyscallConn()
	if err != nil {
		return false, err
	}
	err = raw.Control(func(fd uintptr) {
		ask := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(ask, 0); err == nil && n > 0 && ask[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLRDHUP) != 0 {
			end = net.ErrClosed
		}
	})
	return false, errors.Join(end, err)
}
