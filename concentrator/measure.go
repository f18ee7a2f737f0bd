package main

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"time"

	"tandem/concentrator/metrics"
)

// serveMetrics answers Prometheus and load balancers. That the port is taken
// is no reason not to serve clients.
func (d *concentrator) serveMetrics(ctx context.Context) error {
	addr := d.server.settings.Load().config.Metrics
	if addr.IsValid() {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err := lc.Listen(ctx, "tcp", addr.String())
		if err == nil {
			return (&metrics.Server{Listener: l, Collect: d.metrics, Healthy: d.healthy}).Run(ctx)
		}
		d.log.Error("no metrics: choose another address for \"metrics\", or \"\" for none", "err", err)
	}
	<-ctx.Done()
	return nil
}

// healthy says whether clients should be sent here.
func (d *concentrator) healthy() error {
	s := d.server
	limits := &s.settings.Load().config.Limits
	switch {
	case s.draining.Load():
		return errors.New("draining")
	case s.engine.Active() >= limits.MaxConnections:
		return errors.New("max_connections reached")
	}
	return nil
}

// startTime is when the process began, within what Prometheus cares for.
var startTime = time.Now()

// metrics are the daemon's counters. Names are kept: dashboards know them.
func (d *concentrator) metrics() []metrics.Metric {
	const counter, gauge = metrics.Counter, metrics.Gauge
	s := d.server
	var all []metrics.Metric
	add := func(name string, kind metrics.Kind, help string, v float64) {
		all = append(all, metrics.One("tandem_"+name, kind, help, v))
	}
	r := d.status()
	limits := &s.settings.Load().config.Limits
	all = append(all, metrics.Metric{Name: "tandem_build_info", Kind: gauge, Help: "Version of the running daemon.",
		Values: []metrics.Value{{Labels: []metrics.Label{{Name: "version", Value: version}, {Name: "go", Value: runtime.Version()}}, Value: 1}}})
	add("connections_open", gauge, "Connections relayed now.", float64(r.Open))
	add("connections_earlier_open", gauge, "Connections that processes before this one still relay, after a hand-over.", float64(d.earlierOpen.Load()))
	add("connections_pending", gauge, "Connections that have not shown yet whose they are.", float64(r.Pending))
	add("connections_max", gauge, "Limit max_connections.", float64(limits.MaxConnections))
	add("connections_accepted_total", counter, "Connections accepted from CPEs and strangers.", float64(r.Accepted))
	add("connections_turned_away_total", counter, "Of those accepted, connections that were reset unread.", float64(r.TurnedAway))
	add("connections_relayed_total", counter, "Connections whose server was reached.", float64(r.Relayed))
	add("connections_on_path_total", counter, "Of those relayed, connections that were taken over on their way to a server.", float64(r.OnPath))
	add("connections_refused_total", counter, "Connections of strangers, and to forbidden destinations.", float64(r.Refused))
	add("connections_malformed_total", counter, "Connections without a valid request.", float64(r.Malformed))
	add("connections_failed_total", counter, "Connections whose server was not reached.", float64(r.Failed))
	add("connections_over_limit_total", counter, "Connections refused because a limit was reached.", float64(r.Overload))
	add("answers_moved_total", counter, "Answers that went to another connection, since the line of the first had died.", float64(r.Moved))
	add("draining", gauge, "1 while new connections are refused by command.", map[bool]float64{true: 1}[r.Draining])
	all = append(all, clientMetrics(d.clientStates())...)
	files, fileLimit := descriptors()
	add("open_fds", gauge, "File descriptors in use.", files)
	add("max_fds", gauge, "Limit of file descriptors.", fileLimit)
	add("resident_memory_bytes", gauge, "Memory of the process.", resident())
	add("goroutines", gauge, "Goroutines of the process.", float64(runtime.NumGoroutine()))
	add("start_time_seconds", gauge, "Start of the process, Unix time.", float64(startTime.UnixMilli())/1000)
	return all
}

// clientMetrics are per client. A client's bytes start at 0 every month, which
// Prometheus takes for a restart.
func clientMetrics(all []clientState) []metrics.Metric {
	open := metrics.Metric{Name: "tandem_client_connections_open", Kind: metrics.Gauge, Help: "Connections of a client, those in set-up included."}
	bytes := metrics.Metric{Name: "tandem_client_bytes_total", Kind: metrics.Counter, Help: "Payload of a client this month; up is from the client."}
	for _, c := range all {
		name := metrics.Label{Name: "client", Value: c.Name}
		open.Values = append(open.Values, metrics.Value{Labels: []metrics.Label{name}, Value: float64(c.Open)})
		for direction, n := range map[string]int64{"up": c.Up, "down": c.Down} {
			bytes.Values = append(bytes.Values, metrics.Value{
				Labels: []metrics.Label{name, {Name: "direction", Value: direction}}, Value: float64(n)})
		}
	}
	return []metrics.Metric{open, bytes}
}

// descriptors are counted without being listed where the kernel can: the names
// of 200,000 take 60 MB.
func descriptors() (open, limit float64) {
	const folder = "/proc/self/fd"
	if info, err := os.Stat(folder); err == nil && info.Size() > 0 { // since Linux 6.2
		return float64(info.Size()), fileLimit()
	}
	return listed(folder), fileLimit()
}

// listed counts the entries of a folder, some at a time.
func listed(folder string) (n float64) {
	f, err := os.Open(folder)
	if err != nil {
		return 0
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(1024)
		n += float64(len(names))
		if err != nil {
			return n
		}
	}
}
