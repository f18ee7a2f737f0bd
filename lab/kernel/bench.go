package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	labnet "tandem/lab/net"
	"tandem/shared/mptcp"
)

// bench is the two hosts: cpe connects over two lines, core accepts.
type bench struct {
	*labnet.Lab
	options
}

var (
	server = netip.MustParseAddrPort("203.0.113.1:5124")
	near   = map[string]netip.Addr{}
)

// newBench lets connections have a subflow over each line.
func newBench(lab *labnet.Lab, o options) (*bench, error) {
	for _, host := range []string{"cpe", "core"} {
		err := lab.Host(host).Do(func() error {
			pm, err := mptcp.Open()
			if err != nil {
				return err
			}
			defer pm.Close()
			limits, err := pm.Limits()
			if err != nil {
				return err
			}
			limits.Subflows = 4
			if err := pm.SetLimits(limits); err != nil || host == "core" {
				return err
			}
			for _, line := range []string{"dsl", "lte"} {
				device, err := net.InterfaceByName(line)
				if err != nil {
					return err
				}
				a, _ := labnet.WANAddr(line)
				near[line] = a.V4
				if err := pm.AddEndpoint(mptcp.Endpoint{Addr: a.V4, IfIndex: device.Index, Flags: mptcp.FlagSubflow}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return &bench{lab, o}, nil
}

// way is how a connection is made and served.
type way struct {
	synData bool
	gate    bool // the server waits for the third ACK before its first write
	buffer  int  // the client's receive buffer; 0: the kernel's choice
	more    int  // bytes that the client says in one write with the request
}

// listen serves on core: serve gets each connection with its request read.
func (b *bench) listen(w way, serve func(*net.TCPConn)) (io.Closer, error) {
	lc := mptcp.ListenConfig{MPTCP: true, FastOpen: 64, NoCookie: true, ReceiveBuffer: w.buffer}
	var l *net.TCPListener
	err := b.Host("core").Do(func() (err error) { l, err = lc.Listen(server); return err })
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := io.ReadFull(c, make([]byte, len(request))); err != nil {
					return
				}
				if w.gate {
					if err := mptcp.WaitEstablished(context.Background(), c); err != nil {
						return
					}
				}
				serve(c)
			}()
		}
	}()
	return l, nil
}

const request = "please\n"

// dial connects from cpe over the first line and sends the request, and more.
func (b *bench) dial(ctx context.Context, w way) (c *net.TCPConn, err error) {
	d := mptcp.Dialer{Device: "dsl", Source: near["dsl"], SynData: w.synData, ReceiveBuffer: w.buffer}
	err = b.Host("cpe").Do(func() (err error) {
		c, err = d.Dial(ctx, server, append([]byte(request), make([]byte, w.more)...))
		return err
	})
	return c, err
}

// counter reads one of cpe's MPTCP counters.
func (b *bench) counter(name string) (value int64) {
	_ = b.Host("cpe").Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/netstat")
		if err != nil {
			return err
		}
		lines := strings.Split(string(text), "\n")
		for i := 0; i+1 < len(lines); i += 2 {
			names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
			for j := range names {
				if names[j] == name {
					_, err := fmt.Sscan(values[j], &value)
					return err
				}
			}
		}
		return nil
	})
	return value
}

// deadline bounds what may hang.
func deadline(c *net.TCPConn, d time.Duration) { _ = c.SetDeadline(time.Now().Add(d)) }
