package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	labnet "tandem/lab/net"
)

// shown is what a guest's kernel makes of the modes that steer flows.
type shown struct {
	Arch, Kernel string
	// Overflow: short flows while the first line had room, and TCP packets of the
	// guest over the second one meanwhile; the share that it carried of what was
	// too much for the first; how long after that it was last used.
	Short      int
	Unwanted   int64
	Share      float64
	Left       time.Duration
	FilledMbit float64
	// Failover: the same packets before the first line is lost; how long a download
	// stood still then; flows that lived on; when the standby was last used after
	// its return.
	Standby int64
	Stall   time.Duration
	Flows   int
	Back    time.Duration
}

const (
	dslMbit, lteMbit = 4, 8 // an emulated router has more to give
	paced            = 'P'  // a server's word at half the first line's rate
	echo             = 'E'
)

// runModes boots a guest and lets its flows overflow and fail over.
func runModes(ctx context.Context, arch, cache string) (s shown, err error) {
	n, err := newNetwork()
	defer n.close()
	if err != nil {
		return s, err
	}
	for line, mbit := range map[string]int{"dsl": dslMbit, "lte": lteMbit} {
		if err := command("tc", "-n", farSpace, "qdisc", "add", "dev", line, "root", "tbf", "rate", fmt.Sprintf("%dmbit", mbit), "burst", "16kb", "latency", "100ms"); err != nil {
			return s, err
		}
	}
	w, err := watchLine("lte")
	if err != nil {
		return s, err
	}
	defer w.close()
	g, err := boot(ctx, n, arch, cache, nil)
	if err != nil {
		return s, err
	}
	defer g.close()
	s.Arch, s.Kernel = arch, g.kernel
	for _, m := range []struct {
		mode string
		try  func(context.Context, *network, *wire, *shown) error
	}{{"overflow", overflow}, {"failover", failover}} {
		if _, err := n.ask("mode " + m.mode); err != nil {
			return s, err
		}
		if err := n.awaitUp(ctx, g.ended); err != nil {
			return s, fmt.Errorf("%w; the guest said:\n%s", err, g.said())
		}
		if err := m.try(ctx, n, w, &s); err != nil {
			status, _ := n.ask("status")
			state, _ := n.ask("state")
			return s, fmt.Errorf("mode %s: %w\nso far: %+v\nstatus: %s\nstate: %s\nthe guest said:\n%s", m.mode, err, s, status, state, g.said())
		}
	}
	return s, g.stop(ctx)
}

// overflow: the second line carries nothing while the first has room, helps when it
// is full, and is left.
func overflow(ctx context.Context, n *network, w *wire, s *shown) error {
	before := w.packets.Load()
	slow := make(chan error, 1)
	const seconds = 15
	go func() { _, _, err := n.move(ctx, paced, seconds*dslMbit*1e6/8/2, nil); slow <- err }()
	for end := time.Now().Add(seconds * time.Second); time.Now().Before(end); s.Short++ {
		if _, _, err := n.move(ctx, down, 1000, nil); err != nil {
			return fmt.Errorf("short flow: %w", err)
		}
		time.Sleep(100 * time.Millisecond) // ten a second
	}
	if err := <-slow; err != nil {
		return fmt.Errorf("paced download: %w", err)
	}
	if s.Unwanted = w.packets.Load() - before; s.Unwanted > 0 {
		return fmt.Errorf("%d packets over the second line while the first had room", s.Unwanted)
	}
	was := n.carried()
	const size = 16 << 20
	took, _, err := n.move(ctx, down, size, nil)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	is := n.carried()
	s.FilledMbit = mbit(size, took)
	dsl, lte := float64(is[0]-was[0]), float64(is[1]-was[1])
	if s.Share = lte / (dsl + lte); s.FilledMbit < 1.5*dslMbit || s.Share < 0.3 {
		return fmt.Errorf("%.1f Mbit/s, %.2f of it over the second line", s.FilledMbit, s.Share)
	}
	s.Left, err = w.quiet(ctx)
	return err
}

// failover: the standby carries nothing, takes over when the first line swallows
// packets, and is left when that is back. No flow ends.
func failover(ctx context.Context, n *network, w *wire, s *shown) error {
	before := w.packets.Load()
	for range 20 {
		if _, _, err := n.move(ctx, down, 50_000, nil); err != nil {
			return fmt.Errorf("download: %w", err)
		}
	}
	var talkers []net.Conn
	for range 20 {
		c, err := n.call(ctx, server, echo, 0)
		if err != nil {
			return err
		}
		defer c.Close()
		talkers = append(talkers, c)
	}
	talk := func() error {
		for i, c := range talkers {
			word := fmt.Appendf(nil, "flow %d", i)
			_ = c.SetDeadline(time.Now().Add(stalled))
			if _, err := c.Write(word); err != nil {
				return fmt.Errorf("flow %d of %d: %w", i, len(talkers), err)
			}
			if _, err := io.ReadFull(c, make([]byte, len(word))); err != nil {
				return fmt.Errorf("flow %d of %d: %w", i, len(talkers), err)
			}
		}
		return nil
	}
	if err := talk(); err != nil {
		return err
	}
	if s.Standby = w.packets.Load() - before; s.Standby > 0 {
		return fmt.Errorf("%d packets over the standby", s.Standby)
	}
	_, stall, err := n.move(ctx, down, 8<<20, func() error { return n.cut("dsl", true) })
	if err != nil {
		return fmt.Errorf("download while the first line is lost: %w", err)
	}
	s.Stall = stall
	if err := talk(); err != nil {
		return fmt.Errorf("the first line is lost: %w", err)
	}
	if err := n.cut("dsl", false); err != nil {
		return err
	}
	for up := false; !up; { // for the first line of the two
		text, err := n.ask("status")
		_, rest, found := strings.Cut(text, `"name": "dsl"`)
		state, _, _ := strings.Cut(rest, `"name": "lte"`)
		up = err == nil && found && strings.Contains(state, `"state": "up"`)
		if ctx.Err() != nil {
			return fmt.Errorf("the first line's return: %w", ctx.Err())
		}
	}
	if err := talk(); err != nil {
		return fmt.Errorf("the first line is back: %w", err)
	}
	if s.Back, err = w.quiet(ctx); err != nil {
		return err
	}
	before = w.packets.Load()
	if err := talk(); err != nil {
		return fmt.Errorf("the standby was left: %w", err)
	}
	if more := w.packets.Load() - before; more > 0 {
		return fmt.Errorf("%d packets over the standby after the return", more)
	}
	s.Flows = len(talkers)
	return nil
}

// wire counts the TCP packets that come from the guest over a line, but for those
// of handshakes without MPTCP, by which the daemon asks whether the line works.
type wire struct {
	fd      int
	packets atomic.Int64
	last    atomic.Int64 // when the last one came, Unix nanoseconds
	asks    map[uint16]bool
}

func watchLine(line string) (*wire, error) {
	w := &wire{asks: map[uint16]bool{}}
	return w, enter(farSpace, func() error {
		ifi, err := net.InterfaceByName(line)
		if err != nil {
			return err
		}
		const ip = 0x0008 // ETH_P_IP in network order
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, ip); err != nil {
			return err
		}
		go w.run()
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: ip, Ifindex: ifi.Index})
	})
}

func (w *wire) close() {
	unix.Shutdown(w.fd, unix.SHUT_RDWR)
	unix.Close(w.fd)
}

func (w *wire) run() {
	buf := make([]byte, 2048)
	for {
		k, err := unix.Read(w.fd, buf)
		if err == unix.EINTR || err == unix.ENETDOWN { // the line was cut
			continue
		}
		if err != nil {
			return
		}
		p := buf[:k]
		if k < 40 || p[0]>>4 != 4 || p[9] != unix.IPPROTO_TCP {
			continue
		}
		tcp := p[int(p[0]&15)*4:]
		from := binary.BigEndian.Uint16(tcp)
		if tcp[13]&2 != 0 { // a SYN
			w.asks[from] = !labnet.OffersMPTCP(p)
		}
		if !w.asks[from] {
			w.packets.Add(1)
			w.last.Store(time.Now().UnixNano())
		}
	}
}

// quiet waits until the line has carried nothing for 3 s, and returns after which
// time it last did.
func (w *wire) quiet(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	for {
		last := time.Unix(0, w.last.Load())
		if time.Since(last) > 3*time.Second && time.Since(begun) > 3*time.Second {
			return max(0, last.Sub(begun)), nil
		}
		select {
		case <-ctx.Done():
			return 0, errors.New("the second line is still used")
		case <-time.After(100 * time.Millisecond):
		}
		if time.Since(begun) > time.Minute {
			return 0, errors.New("the second line is still used after a minute")
		}
	}
}
