package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
	"tandem/lab/servers"
)

// TestAnswerLost loses a line in the moment in which the server has got the
// request: the concentrator's answer and the server's are on their way there.
// They arrive over the other line, and the server is told once.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	ways := []string{"warm"}
	if *long {
		// On a busy machine the line may go when the answer has arrived: that is
		// another case, of a flow that has no second subflow yet.
		ways = append(ways, "syn", "plain")
	}
	for _, way := range ways {
		for name, lose := range map[string]func(*labnet.Link, bool) error{
			"carrier":   (*labnet.Link).SetDown,
			"blackhole": (*labnet.Link).SetBlackhole,
		} {
			t.Run(way+" "+name, func(t *testing.T) {
				t.Parallel()
				o := sixty()
				o.CPE = "\toption first_byte '" + way + "'\n"
				h := build(t, o)
				var once servers.Once
				l, err := h.Listen(house.Server4, oncePort)
				if err != nil {
					t.Fatal(err)
				}
				var cut sync.Once
				go servers.Each(l, func(c *net.TCPConn) {
					cut.Do(func() {
						if err := lose(h.Link("dsl"), true); err != nil {
							t.Error(err)
						}
					})
					once.Serve(c)
				})
				if way == "warm" {
					ready(t, h)
				} else if _, err := h.FirstByte(within(t, 20*time.Second), "", house.Server4); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				c := dial(t, h, house.Server4, oncePort)
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				fmt.Fprintln(c, "hello")
				answer, err := bufio.NewReader(c).ReadString('\n')
				took := time.Since(begin)
				t.Logf("answered after %s", took.Round(time.Millisecond))
				if err != nil || strings.TrimSpace(answer) != "ok hello" {
					t.Fatalf("answer %q, %v after %s", answer, err, took)
				}
				if took > 5*time.Second { // 1 to 1.5 s on a machine that is not busy
					t.Errorf("the answer took %s", took)
				}
				if different, again := once.Requests(); different != 1 || again != 0 {
					t.Errorf("the server got %d requests, %d of them twice", different, again)
				}
				if f := status(t, h).Flows; f.Direct != 0 {
					t.Errorf("flows %+v, want none direct", f)
				}
			})
		}
	}
}
