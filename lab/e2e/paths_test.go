package e2e

import (
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/control"
)

// lines and flows as the CPE's JSON has them: what pages and programs read.
type pathStatus struct {
	Mode          string `json:"mode"`
	Concentrators []struct {
		Name    string  `json:"name"`
		Up      bool    `json:"up"`
		Active  bool    `json:"active"`
		Reason  string  `json:"reason"`
		RTT     float64 `json:"rtt_ms"`
		ZeroRTT struct {
			Hits  int64   `json:"hits"`
			Total int64   `json:"total"`
			Ratio float64 `json:"ratio"`
		} `json:"zero_rtt"`
	} `json:"concentrators"`
	WANs []lineStatus `json:"wans"`
}

type lineStatus struct {
	Name      string  `json:"name"`
	Device    string  `json:"device"`
	Role      string  `json:"role"`
	State     string  `json:"state"`
	Reason    string  `json:"reason"`
	Use       string  `json:"use"`
	Up        bool    `json:"up"`
	RateUp    int64   `json:"rate_up_bps"`
	RateDown  int64   `json:"rate_down_bps"`
	TotalDown uint64  `json:"total_down_bytes"`
	RTT       float64 `json:"rtt_ms"`
	Loss      float64 `json:"loss"`
	Subflows  int     `json:"subflows"`
	Quota     *struct {
		Limit  uint64 `json:"limit_bytes"`
		Used   uint64 `json:"used_bytes"`
		Action string `json:"action"`
		State  string `json:"state"`
	} `json:"quota"`
}

func (s pathStatus) line(t *testing.T, name string) lineStatus {
	t.Helper()
	for _, w := range s.WANs {
		if w.Name == name {
			return w
		}
	}
	t.Fatalf("no line %q in %+v", name, s)
	return lineStatus{}
}

type flowStatus struct {
	Total int `json:"total"`
	Flows []struct {
		ID           uint64 `json:"id"`
		Host         string `json:"host"`
		Destination  string `json:"destination"`
		Mode         string `json:"mode"`
		Concentrator string `json:"concentrator"`
		MPTCP        bool   `json:"mptcp"`
		Up           int64  `json:"up_bytes"`
		Down         int64  `json:"down_bytes"`
		Subflows     []struct {
			WAN   string  `json:"wan"`
			State string  `json:"state"`
			RTT   float64 `json:"rtt_ms"`
			Up    uint64  `json:"up_bytes"`
			Down  uint64  `json:"down_bytes"`
		} `json:"subflows"`
	} `json:"flows"`
}

// on returns how many subflows of the listed flows are open over a line, and
// the bytes that they brought down.
func (s flowStatus) on(wan string) (subflows int, down uint64) {
	for _, f := range s.Flows {
		for _, sub := range f.Subflows {
			// The kernel keeps a connection's first subflow in its list, closed.
			if sub.WAN == wan && sub.State == "established" {
				subflows++
				down += sub.Down
			}
		}
	}
	return subflows, down
}

func askPaths(t *testing.T, h *house.House) pathStatus {
	t.Helper()
	s, err := control.Ask[pathStatus](h.CPE.Socket, "status")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func askFlows(t *testing.T, h *house.House) flowStatus {
	t.Helper()
	s, err := control.Ask[flowStatus](h.CPE.Socket, "flows")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStatusOfPaths looks at a download with status and flows: both lines,
// their rates and round trips, and the flow with its subflows.
func TestStatusOfPaths(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	ctx := within(t, time.Minute)
	done := make(chan error, 1)
	go func() {
		_, err := h.DownRate(ctx, "", 9*time.Second, nil)
		done <- err
	}()
	var s pathStatus
	var f flowStatus
	defer func() {
		if t.Failed() {
			t.Logf("last seen %+v\n%+v", s, f)
		}
	}()
	eventually(t, 9*time.Second, "both lines carry the download", func() bool {
		s, f = askPaths(t, h), askFlows(t, h)
		for _, name := range []string{"dsl", "lte"} {
			l := s.line(t, name)
			if l.State != "up" || !l.Up || l.RateDown < 1e6 || l.RateUp == 0 || l.RTT < 50 || l.Subflows != 1 {
				return false
			}
			if n, down := f.on(name); n != 1 || down == 0 {
				return false
			}
		}
		return f.Total == 1 && f.Flows[0].MPTCP && f.Flows[0].Down > 0 &&
			f.Flows[0].Host[:10] == "192.0.2.10" && f.Flows[0].Destination == "203.0.113.10:80" && f.Flows[0].Concentrator == "vm" &&
			s.Concentrators[0].Active && s.Concentrators[0].RTT > 50 && s.Concentrators[0].ZeroRTT.Total == 1
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the flow is gone", func() bool { return askFlows(t, h).Total == 0 })

	if err := h.Link("lte").SetDown(true); err != nil {
		t.Fatal(err)
	}
	took := eventually(t, 5*time.Second, "the lost line is shown", func() bool {
		l := askPaths(t, h).line(t, "lte")
		return l.State == "down" && !l.Up && l.Reason != ""
	})
	t.Logf("shown after %v", took.Round(time.Millisecond))
}
