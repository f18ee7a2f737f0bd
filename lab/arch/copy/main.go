// Command copy is what tandem-cpe is measured against on emulated routers: a
// relay without any of its engine. It accepts, dials over MPTCP and copies both
// ways through a buffer, as a proxy does that knows nothing of slow processors.
//
//	copy LISTEN TO
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

// size is that of the buffers, which is io.Copy's own.
const size = 32 << 10

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: copy LISTEN TO")
		os.Exit(2)
	}
	l, err := net.Listen("tcp4", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			continue
		}
		go relay(c.(*net.TCPConn), os.Args[2])
	}
}

// relay joins a connection with a new one, until both directions have ended.
func relay(client *net.TCPConn, to string) {
	defer client.Close()
	var d net.Dialer
	d.SetMultipathTCP(true)
	c, err := d.Dial("tcp4", to)
	if err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		return
	}
	server := c.(*net.TCPConn)
	defer server.Close()
	done := make(chan struct{})
	go func() { defer close(done); pour(server, client) }()
	pour(client, server)
	<-done
}

// pour copies until src ends. The types hide what would have io.Copy splice.
func pour(dst, src *net.TCPConn) {
	_, _ = io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, make([]byte, size))
	_ = dst.CloseWrite()
}
