package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// Large is a concentrator filled with connections, watched for a while.
type Large struct {
	Clients  int         `json:"clients"`
	Active   int         `json:"active"`
	AtRestMB float64     `json:"rss_mb_without_clients"`
	Held     []LargeStep `json:"held"`
	Stay     LargeStay   `json:"stay"`
	End      LargeEnd    `json:"end"`
	After    LargeStep   `json:"after"` // when all have ended

	AfterFailure string `json:"after_failure,omitempty"`
}

// LargeStep is the state with so many connections.
type LargeStep struct {
	ScaleStep
	Empty      ScaleRate `json:"new_of_empty"` // by turns with New
	Filling    float64   `json:"filled_per_second"`
	FillingCPU float64   `json:"filling_cpu_us_per_connection"`
	Goroutines float64   `json:"goroutines"`
	FDs        float64   `json:"descriptors"`
}

// LargeStay is what became of the last step.
type LargeStay struct {
	Seconds    float64      `json:"seconds"`
	Minutes    []LargeState `json:"minutes"`
	New        ScaleRate    `json:"new"` // connections that came and went meanwhile
	Empty      ScaleRate    `json:"new_of_empty"`
	Gone       int          `json:"gone"`        // idle ones whose end came without being asked for
	Chats      int          `json:"chats_ended"` // active ones
	Alive      int          `json:"alive_after"` // idle ones that carried a byte there and back at the end
	OpenAtEnd  float64      `json:"open_at_end"` // as the concentrator counts them
	NewFailure string       `json:"new_failure,omitempty"`
}

// LargeEnd is the end of all connections at once, by their clients' reset.
type LargeEnd struct {
	Connections int       `json:"connections"`
	Asked       float64   `json:"asked_seconds"` // that the clients took for it
	Took        float64   `json:"seconds"`       // until the concentrator had none
	CPU         float64   `json:"cpu_us_per_connection"`
	New         ScaleRate `json:"new"` // connections that came and went meanwhile
	Empty       ScaleRate `json:"new_of_empty"`
	NewFailure  string    `json:"new_failure,omitempty"`
}

// LargeState is what the process says of itself.
type LargeState struct {
	RSS        float64 `json:"rss_mb"`
	Goroutines float64 `json:"goroutines"`
	FDs        float64 `json:"descriptors"`
	Open       float64 `json:"open"`
	CPU        float64 `json:"cpu_ms_per_second"`
}

// large wants a limit of open files that few machines have, and 20 minutes: it
// runs only when asked for. make bench-scale gives it a guest.
var large = Section{Name: "large", Title: "100,000 connections in one concentrator", Run: runLarge, OnlyNamed: true}

// largeSteps are the numbers of connections.
var largeSteps = []int{0, 10_000, 25_000, 50_000, 100_000}

const (
	// New connections a second through each of two concentrators.
	largePace, largeTime = 10, 30 * time.Second
	largeStayPace        = 3
	largeMetrics         = house.Concentrator4 + ":5126"
)

func runLarge(ctx context.Context, o Options) (Outcome, error) {
	room, err := scaleRoom()
	if err != nil {
		return Outcome{}, err
	}
	if room < o.Most {
		return Outcome{}, fmt.Errorf("the limit of open files has room for %d connections, not for %d: see make bench-scale", room, o.Most)
	}
	r := &largeRun{say: o.Say, Large: Large{Clients: scaleClients, Active: scaleActive}}
	r.house, err = house.Build(ctx, house.Options{Spec: labnet.Spec{PlainWANs: true}, Binaries: o.Binaries,
		Concentrator: fmt.Sprintf("metrics = %q\n", largeMetrics),
		Tables:       "[limits]\nmax_connections = 200000\nmax_setups = 10000\n"})
	if r.house != nil {
		defer r.house.Close()
	}
	if err != nil {
		return Outcome{}, err
	}
	if err := r.widen(ctx); err != nil {
		return Outcome{}, err
	}
	r.pid = r.house.Concentrator.PID()
	r.AtRestMB = float64(rss(r.pid)) / 1024
	o.Say(fmt.Sprintf("making %d clients", r.Clients))
	if r.crowd, err = newCrowd(ctx, r.house, r.Clients); err != nil {
		return Outcome{}, err
	}
	defer r.crowd.close()
	second, err := r.house.StartSecond(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if r.empty, err = r.crowd.open(second, house.Second4, "second-state"); err != nil {
		return Outcome{}, err
	}
	o.Say("each client's first connections")
	for _, d := range []*door{r.crowd.first, r.empty} {
		for range 2 { // as often as makes the daemon tidy up
			if err := r.crowd.greet(ctx, d); err != nil {
				return Outcome{}, err
			}
		}
	}
	time.Sleep(toRest)
	if err := r.measure(ctx, o.Most, o.Stay); err != nil {
		return Outcome{}, err
	}
	return Outcome{Figures: r.Large, Markdown: r.markdown(), Plots: map[string]string{"large": r.plot()}}, nil
}

// widen gives the concentrator the ports that its package gives it
// (concentrator/systemd/sysctl.d).
func (r *largeRun) widen(ctx context.Context) error {
	_, err := r.house.ConcentratorHost().Run(ctx, "sysctl", "-qw", "net.ipv4.ip_local_port_range=10240 65535")
	if err != nil {
		return err
	}
	if err := r.house.Concentrator.Stop(20 * time.Second); err != nil {
		return err
	}
	return r.house.StartConcentrator(ctx)
}

type largeRun struct {
	Large
	house *house.House
	crowd *crowd
	empty *door // another concentrator, without connections
	pid   int
	say   func(string)
}

func (r *largeRun) measure(ctx context.Context, most int, stay time.Duration) error {
	for _, n := range append(slices.Clone(largeSteps), most) {
		if n > most || len(r.Held) > 0 && n <= r.Held[len(r.Held)-1].Connections {
			continue
		}
		step, err := r.step(ctx, n)
		if err != nil {
			return err
		}
		r.Held = append(r.Held, step)
	}
	if err := r.watch(ctx, stay); err != nil {
		return err
	}
	if err := r.end(ctx); err != nil {
		return err
	}
	time.Sleep(2 * toRest)
	// What was measured so far is not lost with this.
	var err error
	if r.After, err = r.rest(ctx, 0); err != nil {
		r.AfterFailure = err.Error()
		r.say("after all have ended: " + r.AfterFailure)
	}
	return ctx.Err()
}

// step fills the concentrator up to n connections and measures.
func (r *largeRun) step(ctx context.Context, n int) (LargeStep, error) {
	r.say(fmt.Sprintf("filling up to %d connections", n))
	begin, cpu, more := time.Now(), cpuSeconds(r.pid), n-r.crowd.held()
	if err := r.crowd.grow(ctx, n, r.Active, r.say); err != nil {
		return LargeStep{}, fmt.Errorf("%w\n%s", err, tail(r.house.Concentrator.Log.String()))
	}
	took, cpu := time.Since(begin).Seconds(), cpuSeconds(r.pid)-cpu
	time.Sleep(toRest)
	step, err := r.rest(ctx, n)
	if more > 0 {
		step.Filling, step.FillingCPU = float64(more)/took, cpu/float64(more)*1e6
	}
	return step, err
}

// rest measures beside n connections that are there. What holding them takes is
// measured before the new ones and after them, since it is much beside theirs.
func (r *largeRun) rest(ctx context.Context, n int) (step LargeStep, err error) {
	step.Connections, step.RSS = n, float64(rss(r.pid))/1024
	step.Holding = holding(r.pid, largeTime/2)
	state, err := r.state()
	if err != nil {
		return step, err
	}
	step.Goroutines, step.FDs = state.Goroutines, state.FDs
	r.say(fmt.Sprintf("%d connections: %.1f MB, %.0f ms a second; now %d new ones a second", n, step.RSS, step.Holding, largePace))
	r.crowd.first.held = step.Holding
	rates, err := r.crowd.newOnes(ctx, []*door{r.crowd.first, r.empty}, 2*largePace, largeTime)
	if err != nil {
		return step, err
	}
	drift := (holding(r.pid, largeTime/2) - step.Holding) / 2
	step.Holding += drift
	rates[0].CPU -= drift / 1000 / largePace * 1e6
	step.New, step.Empty = rates[0], rates[1]
	for i, x := range rates {
		r.say(fmt.Sprintf("%d connections: a new one %.0f µs, p50 %.1f ms, p99 %.1f ms", []int{n, 0}[i], x.CPU, x.P50, x.P99))
	}
	return step, nil
}

// watch stays for d, while new connections come and go, and then uses every
// connection once more.
func (r *largeRun) watch(ctx context.Context, d time.Duration) error {
	s := &r.Stay
	begin := time.Now()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		rates, err := r.crowd.newOnes(ctx, []*door{r.crowd.first, r.empty}, 2*largeStayPace, d)
		if err != nil {
			s.NewFailure = err.Error()
		}
		s.New, s.Empty = rates[0], rates[1]
	}()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for cpu := cpuSeconds(r.pid); time.Since(begin) < d; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		state, err := r.state()
		if err != nil {
			return err
		}
		now := cpuSeconds(r.pid)
		state.CPU, cpu = (now-cpu)/60*1000, now
		s.Minutes = append(s.Minutes, state)
		r.say(fmt.Sprintf("minute %d: %.0f connections, %.1f MB, %.0f goroutines", len(s.Minutes), state.Open, state.RSS, state.Goroutines))
	}
	wg.Wait()
	s.Seconds = time.Since(begin).Seconds()
	r.say("using every connection once more")
	s.Gone, s.Alive = r.crowd.useIdle()
	s.Chats = int(r.crowd.lost.Load())
	state, err := r.state()
	s.OpenAtEnd = state.Open
	return err
}

// end has the clients reset all connections at once, while new ones come, and
// waits until the concentrator has none.
func (r *largeRun) end(ctx context.Context) error {
	e := &r.End
	e.Connections = r.crowd.held()
	r.say(fmt.Sprintf("ending %d connections", e.Connections))
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		rates, err := r.crowd.newOnes(ctx, []*door{r.crowd.first, r.empty}, 2*largePace, largeTime)
		if err != nil {
			e.NewFailure = err.Error()
		}
		e.New, e.Empty = rates[0], rates[1]
	}()
	begin, cpu := time.Now(), cpuSeconds(r.pid)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		r.crowd.close()
		e.Asked = time.Since(begin).Seconds()
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ; ; <-tick.C {
		state, err := r.state()
		if err != nil {
			return err
		}
		r.say(fmt.Sprintf("%.0f connections left after %.1f s, %.1f s of processor time", state.Open, time.Since(begin).Seconds(), cpuSeconds(r.pid)-cpu))
		if state.Open < largePace || ctx.Err() != nil { // new ones may be among them
			break
		}
	}
	e.Took, e.CPU = time.Since(begin).Seconds(), (cpuSeconds(r.pid)-cpu)/float64(e.Connections)*1e6
	<-asked
	wg.Wait()
	return ctx.Err()
}

// useIdle has every idle connection carry a byte there and back.
func (c *crowd) useIdle() (gone, alive int) {
	const together = 64 // in flight
	b := []byte{'x'}
	for from := 0; from < len(c.idle); from += together {
		some := c.idle[from:min(from+together, len(c.idle))]
		for _, fd := range some {
			if n, err := unix.Read(fd, make([]byte, 1)); n >= 0 || err != unix.EAGAIN { // its end
				gone++
			}
			_, _ = unix.Write(fd, b)
		}
		for _, fd := range some {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20_000)
			if n, _ := unix.Read(fd, make([]byte, 1)); n == 1 {
				alive++
			}
		}
	}
	return gone, alive
}

// state asks the concentrator's metrics.
func (r *largeRun) state() (LargeState, error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return r.house.Host("net").Dial(ctx, network, address)
		}}}
	resp, err := client.Get("http://" + largeMetrics + "/metrics")
	if err != nil {
		return LargeState{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return LargeState{}, err
	}
	value := func(name string) (v float64) {
		_, rest, _ := strings.Cut(string(text), "\n"+name+" ")
		fmt.Sscan(rest, &v)
		return v
	}
	return LargeState{RSS: float64(rss(r.pid)) / 1024, Goroutines: value("tandem_goroutines"),
		FDs: value("tandem_open_fds"), Open: value("tandem_connections_open")}, nil
}

func tail(text string) string { return text[max(0, len(text)-2000):] }
