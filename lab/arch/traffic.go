package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	labnet "tandem/lab/net"
)

// The server speaks a protocol of 9 bytes: the direction and a length. What is
// sent is the same noise for the same length, so both ends know its sum.
const (
	down = 'D'
	up   = 'U'
	hold = 'H' // say one byte and stay
)

// serve speaks it at an address of a namespace, to who asks for it over MPTCP too.
func (n *network) serve(ns, address string) error {
	return enter(ns, func() error {
		var lc net.ListenConfig
		lc.SetMultipathTCP(true)
		l, err := lc.Listen(context.Background(), "tcp4", address)
		if err != nil {
			return err
		}
		n.listeners = append(n.listeners, l)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { defer c.Close(); serveOne(c) }()
			}
		}()
		return nil
	})
}

func serveOne(c net.Conn) {
	var head [9]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	size := int64(binary.BigEndian.Uint64(head[1:]))
	switch head[0] {
	case down:
		_, _ = io.Copy(c, noise(size))
	case up:
		sum := sha256.New()
		if _, err := io.CopyN(sum, c, size); err == nil {
			_, _ = c.Write(sum.Sum(nil))
		}
	case paced:
		for r, chunk := noise(size), int64(dslMbit*1e6/8/2/20); ; time.Sleep(50 * time.Millisecond) { // the pace
			if n, err := io.CopyN(c, r, chunk); n == 0 || err != nil {
				return
			}
		}
	case echo:
		_, _ = io.Copy(c, c)
	case hold:
		_, _ = c.Write([]byte{hold})
		_, _ = io.Copy(io.Discard, c)
	}
}

// noise is size bytes that do not compress and are the same each time.
func noise(size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
}

func sumOf(size int64) [32]byte {
	h := sha256.New()
	_, _ = io.Copy(h, noise(size))
	return [32]byte(h.Sum(nil))
}

// call opens a connection of the LAN host to the server, or to a relay that
// leads there, and says what is wanted.
func (n *network) call(ctx context.Context, to string, what byte, size int64) (c net.Conn, err error) {
	err = enter(lanSpace, func() error {
		d := net.Dialer{Timeout: time.Minute}
		c, err = d.DialContext(ctx, "tcp4", to)
		return err
	})
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint64([]byte{what}, uint64(size))
	_, err = c.Write(head)
	return c, err
}

// move moves size bytes from or to the server and checks them. midway runs when a third has arrived;
// stall is the longest time without a byte after that.
func (n *network) move(ctx context.Context, what byte, size int64, midway func() error) (took, stall time.Duration, err error) {
	return n.moveVia(ctx, server, what, size, midway)
}

func (n *network) moveVia(ctx context.Context, to string, what byte, size int64, midway func() error) (took, stall time.Duration, err error) {
	begun := time.Now()
	c, err := n.call(ctx, to, what, size)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	want := sumOf(size)
	var got [32]byte
	if what == up {
		if _, err := io.Copy(patient{c}, noise(size)); err != nil {
			return 0, 0, fmt.Errorf("upload: %w", err)
		}
		_ = c.SetReadDeadline(time.Now().Add(stalled))
		if _, err := io.ReadFull(c, got[:]); err != nil {
			return 0, 0, fmt.Errorf("sum of the upload: %w", err)
		}
	} else if got, stall, err = receive(c, size, midway); err != nil {
		return 0, 0, err
	}
	if got != want {
		return 0, 0, errors.New("what arrived is not what was sent")
	}
	return time.Since(begun), stall, nil
}

// stalled is when a transfer is given up: without a byte for so long.
const stalled = time.Minute

func receive(c net.Conn, size int64, midway func() error) (sum [32]byte, stall time.Duration, err error) {
	var h hash.Hash = sha256.New()
	buf := make([]byte, 64<<10)
	last := time.Now()
	for at := int64(0); at < size; {
		_ = c.SetReadDeadline(last.Add(stalled))
		k, err := c.Read(buf)
		h.Write(buf[:k])
		at += int64(k)
		now := time.Now()
		if midway == nil && at > size/3 {
			stall = max(stall, now.Sub(last))
		}
		last = now
		if err != nil && at < size {
			return sum, stall, fmt.Errorf("after %d of %d bytes: %w", at, size, err)
		}
		if midway != nil && at >= size/3 {
			if err := midway(); err != nil {
				return sum, stall, err
			}
			midway, last = nil, time.Now()
		}
	}
	return [32]byte(h.Sum(nil)), stall, nil
}

// patient gives each write its time.
type patient struct{ net.Conn }

func (p patient) Write(b []byte) (int, error) {
	_ = p.SetWriteDeadline(time.Now().Add(stalled))
	return p.Conn.Write(b)
}

// manyFlows opens count flows that stay, and reads the daemon's memory.
func (n *network) manyFlows(ctx context.Context, count int) (open, kb int, err error) {
	var mu sync.Mutex
	var conns []net.Conn
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	var failed error
	for range count {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			c, err := n.call(ctx, server, hold, 0)
			if err == nil {
				_ = c.SetReadDeadline(time.Now().Add(time.Minute))
				_, err = io.ReadFull(c, make([]byte, 1))
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			conns = append(conns, c)
		}()
	}
	wg.Wait()
	kb, err = n.memory()
	for _, c := range conns {
		c.Close()
	}
	if failed != nil {
		err = fmt.Errorf("%d of %d: %w", count-len(conns), count, failed)
	}
	return len(conns), kb, err
}

// ask sends a line to the guest and returns what it says.
func (n *network) ask(line string) (answer string, err error) {
	err = enter(lanSpace, func() error {
		c, err := net.DialTimeout("tcp4", guestAddress+":9", 10*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := fmt.Fprintln(c, line); err != nil {
			return err
		}
		text, err := io.ReadAll(bufio.NewReader(c))
		answer = string(text)
		return err
	})
	return answer, err
}

// sniff counts the MPTCP SYNs that arrive for the concentrator over the lines.
func (n *network) sniff() error {
	return enter(farSpace, func() error {
		for _, line := range []string{"dsl", "lte"} {
			ifi, err := net.InterfaceByName(line)
			if err != nil {
				return err
			}
			const ip = 0x0008 // ETH_P_IP in network order
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, ip)
			if err != nil {
				return err
			}
			if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ip, Ifindex: ifi.Index}); err != nil {
				return err
			}
			n.sniffers = append(n.sniffers, fd)
			go n.count(fd)
		}
		return nil
	})
}

func (n *network) count(fd int) {
	buf := make([]byte, 2048)
	for {
		k, err := unix.Read(fd, buf)
		if err == unix.EINTR || err == unix.ENETDOWN { // the line was cut
			continue
		}
		if err != nil || k == 0 {
			return
		}
		if port, payload, ok := labnet.Opening(buf[:k]); ok && port == 5124 {
			n.opened.Add(1)
			if payload > 0 {
				n.withData.Add(1)
			}
		}
	}
}

func (n *network) syns() int        { return int(n.opened.Load()) }
func (n *network) synPayloads() int { return int(n.withData.Load()) }
