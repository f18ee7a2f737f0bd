package bench

import (
	"fmt"
	"strings"
)

func (l *Large) markdown() string {
	first, last := l.Held[0], l.Held[len(l.Held)-1]
	t := "| connections | resident, MB | KB each | goroutines | descriptors | holding them, ms a second | filling, a second | CPU of one while filling, µs | a new one, µs | of the empty one, µs | p50 / p99 of a new one, ms | of the empty one, ms |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
	row := func(name string, h LargeStep) {
		each, filling := "–", "– | –"
		if h.Connections > 0 {
			each = fmt.Sprintf("%.2f", l.each(h))
			filling = fmt.Sprintf("%.0f | %.0f", h.Filling, h.FillingCPU)
		}
		t += fmt.Sprintf("| %s | %.1f | %s | %.0f | %.0f | %.0f | %s | %.0f | %.0f | %.2f / %.2f | %.2f / %.2f |\n", name, h.RSS, each,
			h.Goroutines, h.FDs, h.Holding, filling, h.New.CPU, h.Empty.CPU, h.New.P50, h.New.P99, h.Empty.P50, h.Empty.P99)
	}
	for _, h := range l.Held {
		row(fmt.Sprint(h.Connections), h)
	}
	if l.AfterFailure == "" {
		row("0, after the end of all", l.After)
	}
	m := "| minute | resident, MB | connections | goroutines | descriptors | CPU, ms a second |\n|---|---|---|---|---|---|\n"
	for i, s := range l.Stay.Minutes {
		m += fmt.Sprintf("| %d | %.1f | %.0f | %.0f | %.0f | %.0f |\n", i+1, s.RSS, s.Open, s.Goroutines, s.FDs, s.CPU)
	}
	return fmt.Sprintf(`Written by `+"`make bench-scale`"+`. A process of this machine cannot have as many descriptors as that, so the whole lab runs in a guest, a user-mode kernel: concentrator, %d clients with keys and addresses of their own, server. Its system calls cost several times what they cost elsewhere, and it has one processor: memory and numbers are what they are, times and processor time count as ratios of one row to another. %d connections are active, a byte there and back five times a second each. New connections come at %d a second for %s, and as many, by turns with these, through a second concentrator that has no others ("the empty one"); a new one is timed from its SYN to the server's answer to its first byte. n = 1.

%s
Without clients the process has %.1f MB, with them %.1f. A new connection's p99 beside %d others is %.2f times, its p50 %.2f times, its processor time %.2f times that of the empty one.

%s
%s
%s
%s
`, l.Clients, l.Active, largePace, largeTime, t, l.AtRestMB, first.RSS, last.Connections,
		last.New.P99/last.Empty.P99, last.New.P50/last.Empty.P50, last.New.CPU/last.Empty.CPU,
		l.stayed(last), m, l.ended(), l.estimate(first, last))
}

// each is what a connection of a step adds to the process, in KB.
func (l *Large) each(h LargeStep) float64 {
	return (h.RSS - l.Held[0].RSS) * 1024 / float64(h.Connections)
}

// stayed says what became of the last step.
func (l *Large) stayed(last LargeStep) string {
	s := l.Stay
	text := fmt.Sprintf("Then it stayed so for %.1f minutes, with %d new connections a second (p50 / p99 %.2f / %.2f ms; through the empty one %.2f / %.2f ms). Of %d idle connections %d were ended meanwhile, and %d carried a byte there and back when asked at the end; of %d groups of active ones %d stopped; the concentrator counted %.0f open.",
		s.Seconds/60, largeStayPace, s.New.P50, s.New.P99, s.Empty.P50, s.Empty.P99, last.Connections-l.Active, s.Gone, s.Alive, l.Active/20, s.Chats, s.OpenAtEnd)
	if s.NewFailure != "" {
		text += " Of the new connections some failed: " + s.NewFailure + "."
	}
	return text + "\n"
}

// ended says how all went.
func (l *Large) ended() string {
	e := l.End
	text := fmt.Sprintf("At the end the clients reset all %d at once, which took them %.1f s; after %.1f s the concentrator had none, at %.0f µs of its processor time each. New connections meanwhile and until 30 s had gone: p50 / p99 %.2f / %.2f ms, through the empty one %.2f / %.2f ms.",
		e.Connections, e.Asked, e.Took, e.CPU, e.New.P50, e.New.P99, e.Empty.P50, e.Empty.P99)
	if e.NewFailure != "" {
		text += " Some of them failed: " + e.NewFailure + "."
	}
	if l.AfterFailure != "" {
		text += " After that a new one failed: " + l.AfterFailure + "."
	}
	return text + "\n"
}

// estimate is arithmetic, and says so.
func (l *Large) estimate(first, last LargeStep) string {
	const processors = 32
	each := l.each(last)
	active := (last.Holding - first.Holding) / float64(l.Active)
	return strings.TrimSpace(fmt.Sprintf(`**On paper, a VM of %d processors**: memory of the process goes by %.2f KB a connection beyond %.0f MB, so a million connections are %.1f GB, without the kernel's sockets. A new connection costs %.2f times here what it costs the empty one, so what the section before says of new connections a second on this machine's own kernel holds beside 100,000 others too. Holding one active connection, ten wake-ups a second, costs %.2f ms a second in this guest; an idle one costs nothing that shows. No 32-processor machine was tried: that event loops scale to so many is an assumption.`,
		processors, each, first.RSS, (first.RSS+each*1e6/1024)/1024,
		last.New.CPU/last.Empty.CPU, active))
}

func (l *Large) plot() string {
	at := func(name string, f func(LargeStep) float64) (c curve) {
		c.name = name
		for _, h := range l.Held {
			c.x, c.y = append(c.x, float64(h.Connections)), append(c.y, f(h))
		}
		return c
	}
	return curves{title: fmt.Sprintf("One concentrator, %d clients, in a guest", l.Clients), x: "connections", panels: []panel{
		{"resident memory, MB", []curve{at("", func(h LargeStep) float64 { return h.RSS })}},
		{"processor time of a new connection, µs", []curve{
			at("", func(h LargeStep) float64 { return h.New.CPU }),
			at("empty one", func(h LargeStep) float64 { return h.Empty.CPU }),
		}},
		{"holding all, 200 of them active, ms a second", []curve{at("", func(h LargeStep) float64 { return h.Holding })}},
		{"a new connection, ms", []curve{
			at("p99", func(h LargeStep) float64 { return h.New.P99 }),
			at("p50", func(h LargeStep) float64 { return h.New.P50 }),
			at("p99, empty one", func(h LargeStep) float64 { return h.Empty.P99 }),
		}},
	}}.String()
}
