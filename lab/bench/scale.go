package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Scale is the concentrator with many clients and connections.
type Scale struct {
	Clients  int         `json:"clients"`
	Active   int         `json:"active"` // of the connections, each a byte there and back five times a second
	AtRestMB float64     `json:"rss_mb_without_clients"`
	Held     []ScaleStep `json:"held"`
	Rates    []ScaleRate `json:"rates"`
}

// ScaleStep is the state with so many connections.
type ScaleStep struct {
	Connections int       `json:"connections"`
	RSS         float64   `json:"rss_mb"`
	Holding     float64   `json:"cpu_ms_per_second"` // for what is there, the active ones included
	New         ScaleRate `json:"new"`
}

// ScaleRate is how new connections fare at a steady rate, from the SYN to the
// answer of the server.
type ScaleRate struct {
	PerSecond int     `json:"per_second"`
	CPU       float64 `json:"cpu_us_per_connection"` // the holding of the others excluded
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

var scale = Section{Name: "scale", Title: "Many connections in one concentrator", Run: runScale}

const (
	scaleClients = 2000
	scaleActive  = 200
	holdTime     = 3 * time.Second
	scalePace    = 100 // new connections a second while the number of others varies
)

// scaleSteps are the numbers of connections, as far as descriptors go.
var scaleSteps = []int{0, 1_000, 2_000, 4_000, 7_000, 30_000, 100_000}

// scaleRates are tried at the last step.
var scaleRates = []int{100, 300, 600}

func runScale(ctx context.Context, o Options) (Outcome, error) {
	s := Scale{Clients: scaleClients, Active: scaleActive}
	room, err := scaleRoom()
	if err != nil {
		return Outcome{}, err
	}
	h, err := house.Build(ctx, house.Options{Spec: labnet.Spec{PlainWANs: true}, Binaries: o.Binaries,
		Tables: "[limits]\nmax_connections = 200000\nmax_setups = 10000\n"})
	if h != nil {
		defer h.Close()
	}
	if err != nil {
		return Outcome{}, err
	}
	pid := h.Concentrator.PID()
	s.AtRestMB = float64(rss(pid)) / 1024
	o.Say(fmt.Sprintf("making %d clients", s.Clients))
	c, err := newCrowd(ctx, h, s.Clients)
	if err != nil {
		return Outcome{}, err
	}
	defer c.close()
	if err := c.greet(ctx, c.first); err != nil {
		return Outcome{}, err
	}
	for range 20 { // the noting goes on for a while
		if holding(pid, holdTime) < 20 {
			break
		}
	}
	if err := c.greet(ctx, c.first); err != nil { // as often as makes the daemon tidy up
		return Outcome{}, err
	}
	for _, n := range scaleSteps {
		if n > room {
			break
		}
		o.Say(fmt.Sprintf("%d connections", n))
		if err := c.grow(ctx, n, s.Active, o.Say); err != nil {
			return Outcome{}, err
		}
		time.Sleep(toRest)
		step := ScaleStep{Connections: n, RSS: float64(rss(pid)) / 1024}
		step.Holding = holding(pid, holdTime)
		c.first.held = step.Holding
		rates, err := c.newOnes(ctx, []*door{c.first}, scalePace, 4*time.Second)
		if err != nil {
			return Outcome{}, err
		}
		step.New = rates[0]
		s.Held = append(s.Held, step)
	}
	last := s.Held[len(s.Held)-1]
	for _, rate := range scaleRates {
		o.Say(fmt.Sprintf("%d new connections a second beside %d", rate, last.Connections))
		r, err := c.newOnes(ctx, []*door{c.first}, rate, 4*time.Second)
		if err != nil {
			return Outcome{}, err
		}
		s.Rates = append(s.Rates, r...)
	}
	return Outcome{Figures: s, Markdown: s.markdown(room), Plots: map[string]string{"scale": s.plot()}}, nil
}

// scaleRoom is how many connections descriptors allow: the concentrator, which
// has this process's limit, takes three eighths as many.
func scaleRoom() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return (int(min(limit.Max, 1<<20)) - 1000) * 3 / 8, nil
}

// holding is processor time in ms a second while nothing begins.
func holding(pid int, d time.Duration) float64 {
	before := cpuSeconds(pid)
	time.Sleep(d)
	return (cpuSeconds(pid) - before) / d.Seconds() * 1000
}

func (s *Scale) markdown(room int) string {
	first, last := s.Held[0], s.Held[len(s.Held)-1]
	t := "| connections | resident, MB | KB each | holding them, ms a second | a new one, µs | p50 / p99 of a new one, ms |\n|---|---|---|---|---|---|\n"
	for _, h := range s.Held {
		each := "–"
		if h.Connections > 0 {
			each = fmt.Sprintf("%.1f", (h.RSS-first.RSS)*1024/float64(h.Connections))
		}
		t += fmt.Sprintf("| %d | %.1f | %s | %.0f | %.0f | %.2f / %.2f |\n", h.Connections, h.RSS, each, h.Holding, h.New.CPU, h.New.P50, h.New.P99)
	}
	r := "| new connections a second | one, µs | p50 / p99, ms |\n|---|---|---|\n"
	for _, x := range s.Rates {
		r += fmt.Sprintf("| %d | %.0f | %.2f / %.2f |\n", x.PerSecond, x.CPU, x.P50, x.P99)
	}
	each := (last.RSS - first.RSS) * 1024 / float64(last.Connections)
	busiest := s.Rates[len(s.Rates)-1]
	return fmt.Sprintf(`One concentrator, %d clients with keys and addresses of their own, connections in turn, %d of them active (a byte there and back five times a second each). New connections come at %d a second; a new one is timed from its SYN to the server's answer to its first byte. Clients, lines and servers are on the same machine and in one process, so the times are upper bounds. n = 1. Without clients the process has %.1f MB, with their keys and accounts, and each known to have used its key, %.1f MB.

%s
Beside %d connections, at other rates:

%s
The limit of open files of this machine has room for %d connections (the concentrator keeps a quarter of its descriptors for those that begin); with a higher one (ulimit -Hn) the same command goes on to 30,000 and 100,000, and may need a wider net.ipv4.ip_local_port_range. Extrapolated by %.1f KB each, 100,000 connections are %.0f MB of the process. A machine of 32 processors that uses 70 %% of them for new connections takes some %.0f a second at the price of the last row, if the price stays; that has not been tried.
`, s.Clients, s.Active, scalePace, s.AtRestMB, first.RSS, t, last.Connections, r, room, each,
		first.RSS+each*100_000/1024, 0.7*32e6/max(busiest.CPU, 1))
}

func (s *Scale) plot() string {
	at := func(f func(ScaleStep) float64) (c curve) {
		for _, h := range s.Held {
			c.x, c.y = append(c.x, float64(h.Connections)), append(c.y, f(h))
		}
		return c
	}
	named := func(name string, c curve) curve { c.name = name; return c }
	return curves{title: "One concentrator, " + fmt.Sprint(s.Clients) + " clients", x: "connections", panels: []panel{
		{"resident memory, MB", []curve{at(func(h ScaleStep) float64 { return h.RSS })}},
		{"processor time of a new connection, µs", []curve{at(func(h ScaleStep) float64 { return h.New.CPU })}},
		{"a new connection, ms", []curve{
			named("p99", at(func(h ScaleStep) float64 { return h.New.P99 })),
			named("p50", at(func(h ScaleStep) float64 { return h.New.P50 })),
		}},
	}}.String()
}
