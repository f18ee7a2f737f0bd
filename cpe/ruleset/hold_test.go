package ruleset

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/nfnetlink"
	"tandem/cpe/policy"
	"tandem/shared/localdelivery"
)

// TestHold gives held SYNs every verdict, by the port they go to.
func TestHold(t *testing.T) {
	n := newNetwork(t)
	n.serve(t, 80)
	n.serve(t, 81)
	n.installRouting(t, localdelivery.Families{IPv4: true, IPv6: true})
	n.apply(t, Render(labConfig(), policy.Facts{}, HoldByRule))
	n.in(t, "router", func() error { return AddQueueRule(5125) })
	listener := n.intercept(t)
	n.want(t, "", web4, "server") // nobody at the queue
	var queue *nfnetlink.Queue
	n.in(t, "router", func() (err error) {
		queue, err = nfnetlink.OpenQueue(5125, 100, 128)
		return err
	})
	closed := make(chan error)
	go func() {
		closed <- queue.Read(func(p nfnetlink.Packet) {
			mark := p.Mark
			switch destinationPort(p.Payload) {
			case 80:
				mark = LetIn(mark)
			case 82:
				mark = TurnDown(mark, Reset)
			case 83:
				mark = TurnDown(mark, Unreachable)
			}
			if err := queue.Decide(p.ID, nfnetlink.Accept, mark); err != nil {
				t.Error(err)
			}
		})
	}()
	for _, server := range []string{server4, "[" + server6 + "]"} {
		n.want(t, "", server+":80", "proxy")
		n.want(t, "", server+":81", "server")
		for port, want := range map[string]error{"82": unix.ECONNREFUSED, "83": unix.EHOSTUNREACH} {
			n.in(t, "lan", func() error {
				begin := time.Now()
				if _, err := n.dial("", server+":"+port); !errors.Is(err, want) {
					t.Errorf("%s port %s: %v, want %v", server, port, err, want)
				}
				if took := time.Since(begin); took > time.Second/2 { // a second SYN comes after one
					t.Errorf("%s port %s: took %s", server, port, took)
				}
				return nil
			})
		}
	}
	listener.Close() // a SYN let in meets no listener: it is routed
	n.want(t, "", web4, "server")
	n.intercept(t)
	if err := queue.Close(); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	n.want(t, "", web4, "server")
	n.want(t, "", web6, "server")
}

func destinationPort(packet []byte) uint16 {
	if packet[0]>>4 == 6 {
		return binary.BigEndian.Uint16(packet[42:])
	}
	return binary.BigEndian.Uint16(packet[int(packet[0]&15)*4+2:])
}
