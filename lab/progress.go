package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// progress is one line that says what goes on; where the output is no
// terminal, one line a step.
type progress struct {
	out      *os.File
	terminal bool

	mu   sync.Mutex
	last string
	at   time.Time
	open bool // the line is not ended
}

func newProgress(out *os.File) *progress {
	fi, err := out.Stat()
	return &progress{out: out, terminal: err == nil && fi.Mode()&os.ModeCharDevice != 0}
}

// say shows text in place of what was there.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		fmt.Fprintf(p.out, "\r\033[K%s", text)
		p.open = true
		return
	}
	// The step's name ends at the first comma or colon followed by figures.
	if name := stepOf(text); name != p.last {
		fmt.Fprintln(p.out, name)
		p.last = name
	}
}

// stepOf cuts the changing part off.
func stepOf(text string) string {
	for i, r := range text {
		if r == '…' {
			return text[:i]
		}
	}
	return text
}

// rate returns a function that is told a running total and shows the rate.
func (p *progress) rate(what string, d time.Duration) func(bytes int64) {
	begin := time.Now()
	p.say(what)
	return func(bytes int64) {
		now := time.Now()
		p.mu.Lock()
		due := p.terminal && now.Sub(p.at) > 100*time.Millisecond
		if due {
			p.at = now
		}
		p.mu.Unlock()
		if due {
			t := now.Sub(begin)
			p.say(fmt.Sprintf("%s… %4.1f of %.0f s, %5.1f Mbit/s", what, t.Seconds(), d.Seconds(), float64(bytes)*8/t.Seconds()/1e6))
		}
	}
}

// done ends the line.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		fmt.Fprint(p.out, "\r\033[K")
		p.open = false
	}
}

// listenHere listens in this process' own network namespace.
func listenHere(addr string, port int) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	return lc.Listen(context.Background(), "tcp", net.JoinHostPort(addr, fmt.Sprint(port)))
}
