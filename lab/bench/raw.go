package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"tandem/lab/house"
)

// raw is MPTCP between the two ends themselves, without a relay: iperf3.
const raw = "raw MPTCP"

// startRaw makes raw MPTCP one more rival, which serves no LAN host.
func (f *field) startRaw(o Options) *rival {
	if !o.wants(raw) {
		return nil
	}
	for _, p := range []string{"iperf3", "mptcpize"} {
		if _, err := exec.LookPath(p); err != nil {
			f.absent = append(f.absent, raw+": "+err.Error())
			return nil
		}
	}
	return &rival{name: raw}
}

// bulkRaw is bulk for raw MPTCP.
func (f *field) bulkRaw(ctx context.Context, n int, up bool, warm, d time.Duration) (s sample, err error) {
	args := []string{"run", "iperf3", "-J", "-c", house.Concentrator4, "-P", fmt.Sprint(n),
		"-t", fmt.Sprint(max(1, int(d.Seconds()+.5))), "-O", fmt.Sprint(max(1, int(warm.Seconds()+.5)))}
	if !up {
		args = append(args, "-R")
	}
	var report struct {
		Error string
		End   struct {
			Received struct {
				Bits    float64 `json:"bits_per_second"`
				Seconds float64
			} `json:"sum_received"`
			CPU struct {
				Host   float64 `json:"host_total"`
				Remote float64 `json:"remote_total"`
			} `json:"cpu_utilization_percent"`
		}
	}
	for attempt := 0; ; attempt++ {
		out, err := f.iperf(ctx, args)
		if jerr := json.Unmarshal(out, &report); jerr != nil {
			return s, errors.Join(err, jerr)
		}
		if report.Error == "" {
			break
		}
		if attempt == 20 { // the server may not listen yet
			return s, errors.New("iperf3: " + report.Error)
		}
		report.Error = ""
		time.Sleep(100 * time.Millisecond)
	}
	s.Gbit = report.End.Received.Bits / 1e9
	if s.Gbit == 0 {
		return s, nil
	}
	for i, percent := range []float64{report.End.CPU.Host, report.End.CPU.Remote} {
		s.CPU[i] = percent / 100 * 8 / s.Gbit // seconds a second, over GB a second
	}
	return s, nil
}

// iperf runs a server for one test, and a client.
func (f *field) iperf(ctx context.Context, args []string) ([]byte, error) {
	server := f.Host("core").Command(ctx, "mptcpize", "run", "iperf3", "-s", "-1", "-B", house.Concentrator4)
	if err := server.Start(); err != nil {
		return nil, err
	}
	defer server.Wait()
	defer server.Process.Kill()
	time.Sleep(100 * time.Millisecond)
	return f.Host("cpe").Command(ctx, "mptcpize", args...).Output()
}
