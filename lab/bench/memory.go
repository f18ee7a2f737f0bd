package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Memory is what idle connections cost a rival: router, concentrator.
type Memory struct {
	AtRest      [2]float64   `json:"rss_mb_at_rest"`
	Idle        []IdleMemory `json:"idle"`
	Descriptors [2]float64   `json:"descriptors_per_connection"`
}

// IdleMemory is the state with so many idle connections.
type IdleMemory struct {
	Connections int        `json:"connections"`
	KB          [2]float64 `json:"rss_kb_per_connection"`
}

var memory = Section{Name: "memory", Title: "Idle connections", Run: runMemory}

// idleSteps end below what the concentrator lets one client have, 4096, unless
// its configuration says otherwise.
var idleSteps = []int{1_000, 4_000}

// toRest is how long idle connections have been idle when they are measured:
// longer than it takes any of the programs to give back what setting them up
// took.
const toRest = 12 * time.Second

func runMemory(ctx context.Context, o Options) (Outcome, error) {
	figures := map[string]*Memory{}
	var text string
	err := withField(ctx, o, labnet.Spec{PlainWANs: true}, func(f *field) error {
		t := newTable("at rest, MB", "1,000 idle, KB each", "4,000 idle, KB each", "descriptors each")
		for _, r := range f.rivals {
			if len(r.ends) == 0 {
				continue
			}
			m := new(Memory)
			figures[r.name] = m
			if err := f.measureMemory(ctx, o, r, m); err != nil {
				return err
			}
			t.add(r.name, "%.1f / %.1f", m.AtRest[0], m.AtRest[1])
			for i := range idleSteps {
				if i < len(m.Idle) {
					t.add(r.name, "%.1f / %.1f", m.Idle[i].KB[0], m.Idle[i].KB[1])
				} else {
					t.add(r.name, "did not carry them")
				}
			}
			t.add(r.name, "%.1f / %.1f", m.Descriptors[0], m.Descriptors[1])
		}
		text = fmt.Sprintf("Resident memory at the router / at the concentrator: at rest, and what each connection adds that has carried a byte each way and has idled for %s; n = 1. The kernel's own memory for sockets and pipes is not in it. %s\n\n%s", toRest, f.notes(), t)
		return nil
	})
	return Outcome{Figures: figures, Markdown: text}, err
}

func (f *field) measureMemory(ctx context.Context, o Options, r *rival, m *Memory) (err error) {
	var mu sync.Mutex
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	var rest, fds [2]int
	for i, pid := range pids(r) {
		rest[i], fds[i] = rss(pid), descriptors(pid)
		m.AtRest[i] = float64(rest[i]) / 1024
	}
	for _, n := range idleSteps {
		o.Say(fmt.Sprintf("%s, %d idle connections", r.name, n))
		var wg sync.WaitGroup
		var failure error
		for range 32 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					c, err := f.idle(ctx, r)
					mu.Lock()
					if err == nil {
						conns = append(conns, c)
					} else {
						failure = err
					}
					enough := len(conns) >= n || failure != nil
					mu.Unlock()
					if enough {
						return
					}
				}
			}()
		}
		wg.Wait()
		if failure != nil {
			if errors.Is(failure, syscall.EMFILE) && !limited(r) {
				return failure // it is we who have no descriptors left
			}
			return nil // it cannot: seen with rivals that hold pipes
		}
		time.Sleep(toRest) // let it come to rest
		step := IdleMemory{Connections: len(conns)}
		for i, pid := range pids(r) {
			step.KB[i] = float64(rss(pid)-rest[i]) / float64(len(conns))
			m.Descriptors[i] = float64(descriptors(pid)-fds[i]) / float64(len(conns))
		}
		m.Idle = append(m.Idle, step)
	}
	return nil
}

// limited tells whether an end of r has used up its descriptors.
func limited(r *rival) bool {
	for _, pid := range pids(r) {
		if descriptors(pid) > 19_900 {
			return true
		}
	}
	return false
}

// idle opens a connection that carries a byte each way.
func (f *field) idle(ctx context.Context, r *rival) (net.Conn, error) {
	c, err := f.dial(ctx, r, house.EchoPort)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	b := []byte{'x'}
	if _, err = c.Write(b); err == nil {
		_, err = io.ReadFull(c, b)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("through %s: %w", r.name, err)
	}
	return c, c.SetDeadline(time.Time{})
}
