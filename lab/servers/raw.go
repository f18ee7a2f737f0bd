package servers

import (
	"errors"
	"io"
	"net"
)

// Each serves every connection of l by handle, in a goroutine of its own,
// until l is closed; then the connections still open are left to their
// handlers.
func Each(l net.Listener, handle func(*net.TCPConn)) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return closed(err)
		}
		go func() {
			defer c.Close()
			handle(c.(*net.TCPConn))
		}()
	}
}

func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Banner is what an SSH-like server says before it listens.
const Banner = "SSH-2.0-tandem-lab\r\n"

// SpeakFirst sends the Banner, then echoes.
func SpeakFirst(c *net.TCPConn) {
	if _, err := io.WriteString(c, Banner); err == nil {
		Echo(c)
	}
}

// Echo sends back what it gets; the end as well.
func Echo(c *net.TCPConn) { io.Copy(c, struct{ io.Reader }{c}) }

// AfterEnd reads until the client has ended its half, then sends n bytes of
// the stream.
func AfterEnd(n int64) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		if _, err := io.Copy(io.Discard, c); err == nil {
			io.CopyN(c, NewStream(), n)
		}
	}
}

// ResetAfter reads n bytes, answers with one and resets the connection.
func ResetAfter(n int64) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		if _, err := io.CopyN(io.Discard, c, n); err == nil {
			c.Write([]byte{1})
			c.SetLinger(0)
		}
	}
}

// OneByte answers one byte with one byte.
func OneByte(c *net.TCPConn) {
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err == nil {
		c.Write(b[:])
	}
}
