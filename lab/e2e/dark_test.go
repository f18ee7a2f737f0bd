package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// darkBulk takes some seconds.
const darkBulk = 2 << 20

// darkShort is a time after which all goes on by itself.
const darkShort = 4 * time.Second

// darkness is what flows are in the middle of when all lines go.
var darkness = []struct {
	name string
	// lan and server act before (lit), while no line works (dark) and after.
	run func(f *darkFlow) error
}{
	{"answer and end in the dark", func(f *darkFlow) error {
		f.ask()
		<-f.dark
		f.answer(202)
		f.serverEnds()
		return f.expect(202, true)
	}},
	{"answer in the dark", func(f *darkFlow) error {
		f.ask()
		<-f.dark
		f.answer(202)
		return f.expect(202, false)
	}},
	{"end in the dark", func(f *darkFlow) error {
		f.ask()
		f.answer(100)
		if err := f.expect(100, false); err != nil {
			return err
		}
		<-f.dark
		f.serverEnds()
		return f.expect(0, true)
	}},
	{"host has ended, answer in the dark", func(f *darkFlow) error {
		f.ask()
		f.hostEnds()
		<-f.dark
		f.answer(202)
		f.serverEnds()
		return f.expect(202, true)
	}},
	{"host ends in the dark, answer after", func(f *darkFlow) error {
		f.ask()
		<-f.dark
		f.hostEnds()
		go func() { // when it hears of the end
			_, _ = io.Copy(io.Discard, f.server)
			f.answer(202)
			f.serverEnds()
		}()
		return f.expect(202, true)
	}},
	{"word in the dark", func(f *darkFlow) error {
		f.ask()
		go func() { _, _ = io.Copy(f.server, f.server) }()
		<-f.dark
		if _, err := f.lan.Write([]byte("word")); err != nil {
			return err
		}
		return f.expect(4, false)
	}},
	{"all is here, but the host reads slowly", func(f *darkFlow) error {
		f.ask()
		f.hostEnds()
		f.answer(1 << 20)
		f.serverEnds()
		<-f.dark
		time.Sleep(10 * time.Second) // the host's own pace
		return f.expect(1<<20, true)
	}},
	{"download under way", func(f *darkFlow) error {
		f.ask()
		go func() { f.answer(darkBulk); f.serverEnds() }()
		return f.expect(darkBulk, true)
	}},
	{"upload under way", func(f *darkFlow) error {
		f.ask()
		go func() {
			if n, _ := io.Copy(io.Discard, f.server); n == darkBulk {
				f.answer(202)
			}
			f.serverEnds()
		}()
		if _, err := f.lan.Write(make([]byte, darkBulk)); err != nil {
			return err
		}
		f.hostEnds()
		return f.expect(202, true)
	}},
}

// darkFlow is one connection with both its ends in the test's hands.
type darkFlow struct {
	lan, server *net.TCPConn
	dark        chan struct{}
	asked       sync.WaitGroup
	got         int
}

// ask says something and waits until the server has heard it.
func (f *darkFlow) ask() {
	defer f.asked.Done()
	_, _ = f.lan.Write([]byte("ask"))
	_, _ = io.ReadFull(f.server, make([]byte, 3))
}

func (f *darkFlow) answer(n int) { _, _ = f.server.Write(bytes.Repeat([]byte{'a'}, n)) }
func (f *darkFlow) serverEnds()  { _ = f.server.CloseWrite() }
func (f *darkFlow) hostEnds()    { _ = f.lan.CloseWrite() }

// expect reads n bytes and, if so asked, the end behind them.
func (f *darkFlow) expect(n int, end bool) error {
	got, err := io.ReadFull(f.lan, make([]byte, n))
	f.got += got
	if err != nil || !end {
		return err
	}
	if _, err := f.lan.Read(make([]byte, 1)); err != io.EOF {
		return fmt.Errorf("want the end: %w", err)
	}
	return nil
}

// TestDark takes all lines from flows in each state, and gives back all or one of
// them: what was under way goes on, or ends with an error where no line that it
// knew is back. No host waits for what never comes.
func TestDark(t *testing.T) {
	ways := map[string]func(*labnet.Link, bool) error{
		"carrier":   (*labnet.Link).SetDown,
		"blackhole": (*labnet.Link).SetBlackhole,
	}
	both := []string{"dsl", "lte"}
	for _, mode := range []string{"bond", "failover"} {
		for way, lose := range ways {
			t.Run(mode+"/"+way, func(t *testing.T) {
				t.Parallel()
				dark(t, mode, lose, darkShort, both)
			})
			if !*long {
				continue
			}
			for _, last := range []time.Duration{2 * time.Second, 10 * time.Second, 40 * time.Second} {
				for _, back := range [][]string{both, both[:1], both[1:]} {
					t.Run(fmt.Sprintf("%s/%s/%v/%s", mode, way, last, strings.Join(back, "+")), func(t *testing.T) {
						t.Parallel()
						dark(t, mode, lose, last, back)
					})
				}
			}
		}
	}
}

// dark takes both lines for the time that it lasts, and gives back some. Where it
// is short and both come back all must go on.
func dark(t *testing.T, mode string, lose func(*labnet.Link, bool) error, last time.Duration, back []string) {
	o := sixty()
	o.CPE = "\toption mode '" + mode + "'\n\toption on_failure 'refuse'\n\toption log_level 'debug'\n"
	h := build(t, o)
	l, err := h.Host("net").Listen("tcp", net.JoinHostPort(house.Server4, "7777"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
	const each = 5
	flows := make([]*darkFlow, len(darkness)*each)
	gone := make(chan struct{})
	errs := make([]error, len(flows))
	took := make([]time.Duration, len(flows))
	var returned time.Time
	var asked, done sync.WaitGroup
	for i := range flows {
		f := &darkFlow{dark: gone}
		f.lan = dial(t, h, house.Server4, 7777)
		if f.server, err = acceptTCP(l); err != nil {
			t.Fatal(err)
		}
		defer f.server.Close()
		_ = f.server.SetDeadline(time.Now().Add(4 * time.Minute))
		flows[i] = f
		f.asked.Add(1)
		asked.Add(1)
		done.Add(1)
		go func() { f.asked.Wait(); asked.Done() }()
		go func() {
			defer done.Done()
			errs[i] = darkness[i/each].run(f)
			took[i] = time.Since(returned)
		}()
	}
	asked.Wait()
	time.Sleep(300 * time.Millisecond) // some joins are made, and the bulk has begun
	for _, name := range []string{"dsl", "lte"} {
		if err := lose(h.Link(name), true); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(last / 2)
	close(gone)
	time.Sleep(last - last/2)
	for _, f := range flows {
		// A retransmission may be as far away as the lines were gone for.
		_ = f.lan.SetDeadline(time.Now().Add(2*last + 30*time.Second))
	}
	returned = time.Now()
	for _, name := range back {
		if err := lose(h.Link(name), false); err != nil {
			t.Fatal(err)
		}
	}
	done.Wait()
	for s, state := range darkness {
		good, broken, hung, slowest := 0, 0, 0, time.Duration(0)
		var example error
		for i := s * each; i < (s+1)*each; i++ {
			slowest = max(slowest, took[i])
			switch {
			case errs[i] == nil:
				good++
			case errors.Is(errs[i], os.ErrDeadlineExceeded):
				hung++
			default:
				broken++
				example = errs[i]
			}
		}
		t.Logf("%-36s %2d good, %2d broken, %2d hung; slowest %v after the return; %v", state.name, good, broken, hung, slowest.Round(time.Millisecond), example)
		if hung > 0 || broken > 0 && len(back) == 2 && last <= darkShort {
			t.Errorf("%s: %d broken, %d hung", state.name, broken, hung)
		}
	}
	if t.Failed() {
		logSockets(t, h)
	}
}

// TestRebootInTheDark ends the concentrator, and what its kernel has, while no line
// works: nobody tells the router of it, and flows that wait for an answer must not
// do so for ever.
func TestRebootInTheDark(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.CPE = "\toption on_failure 'refuse'\n\toption log_level 'debug'\n"
	h := build(t, o)
	const live = 10
	conns := make([]*net.TCPConn, live)
	for i := range conns {
		conns[i] = dial(t, h, house.Server4, house.EchoPort)
		if err := say(conns[i], "before\n"); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"dsl", "lte"} {
		if err := h.Link(line).SetDown(true); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Concentrator.Kill(); err != nil {
		t.Fatal(err)
	}
	run(t, within(t, 10*time.Second), h.Host("core"), "ss", "-HKtn", "sport = :5124")
	if err := h.StartConcentrator(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"dsl", "lte"} {
		if err := h.Link(line).SetDown(false); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	for _, c := range conns {
		_ = c.SetReadDeadline(begin.Add(30 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %v: %v, want a reset", time.Since(begin).Round(time.Second), err)
		}
	}
	t.Logf("the last was told after %v", time.Since(begin).Round(time.Millisecond))
}

func acceptTCP(l net.Listener) (*net.TCPConn, error) {
	c, err := l.Accept()
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
