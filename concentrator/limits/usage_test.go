package limits

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newUsage(t *testing.T, folder string, now time.Time) *Usage {
	t.Helper()
	return &Usage{Admission: testAdmission(10, 10), Folder: folder, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return now }}
}

func TestUsageOutlivesTheProcess(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "usage")
	u := newUsage(t, folder, t0)
	if err := u.Load(); err != nil {
		t.Fatalf("nothing saved yet: %v", err)
	}
	u.Admission.Apply(map[string]Limits{"home": {ResetDay: 5}, "idle": {}}, t0)
	u.Admission.Client("home").Up().Reserve(11)
	u.Admission.Client("home").Down().Reserve(22)
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := u.Run(ctx); err != nil { // saves as it ends
		t.Fatal(err)
	}

	for _, test := range []struct {
		now  time.Time
		want int64
	}{{t0, 33}, {t0.AddDate(0, 0, 10), 33}, {t0.AddDate(0, 0, 11), 0}, {t0.AddDate(0, 6, 0), 0}} {
		for _, order := range []string{"load first", "apply first"} {
			v := newUsage(t, folder, test.now)
			apply := func() { v.Admission.Apply(map[string]Limits{"home": {ResetDay: 5}}, test.now) }
			if order == "apply first" {
				apply()
			}
			if err := v.Load(); err != nil {
				t.Fatal(err)
			}
			if order == "load first" {
				apply()
			}
			got := v.Admission.Client("home").Volume(test.now)
			if got.Up+got.Down != test.want || got.Start.Day() != 5 {
				t.Errorf("%s, %s: %+v, want %d bytes", test.now.Format(time.DateOnly), order, got, test.want)
			}
		}
	}
}

func TestUsageWritesOnlyChanges(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "usage")
	file := filepath.Join(folder, usageFile)
	u := newUsage(t, folder, t0)
	u.Admission.Client("home").Up().Reserve(1)
	if err := u.Save(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := u.Save(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("written although nothing moved")
	}
	u.Admission.Client("home").Up().Reserve(1)
	if err := u.Save(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("not written:", err)
	}
}

func TestUsageBroken(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"home":{"up_bytes":-1}}`, `{"home":{"up_bytes":9223372036854775807}}`,
		`{"home":{"start":"2026-02-01T00:00:00Z","end":"2026-01-01T00:00:00Z"}}`} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, usageFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		u := newUsage(t, folder, t0)
		if err := u.Load(); err == nil || !strings.Contains(err.Error(), usageFile) {
			t.Errorf("%q: %v", text, err)
		}
		if v := u.Admission.Client("home").Admit(t0); !v.OK {
			t.Errorf("%q: %+v", text, v)
		}
	}
}

func FuzzUsage(f *testing.F) {
	f.Add([]byte(`{"home":{"start":"2026-11-01T00:00:00Z","end":"2026-12-01T00:00:00Z","up_bytes":1,"down_bytes":2}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseUsage(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(all)
		if err != nil {
			return // a year beyond 9999
		}
		if _, err := parseUsage(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}

func benchAdmission() []*Client {
	a := NewAdmission(1_000_000, 100_000)
	all := make(map[string]Limits)
	for i := range 2000 {
		all[fmt.Sprint("client-", i)] = Limits{Connections: 500, NewPerSecond: 1_000_000, Up: 1e12, Down: 1e12, MonthlyBytes: 1 << 59}
	}
	a.Apply(all, time.Now())
	clients := make([]*Client, 2000)
	for i := range clients {
		clients[i] = a.Client(fmt.Sprint("client-", i))
	}
	return clients
}

// One connection's whole way: look up, admit, connected, release.
func BenchmarkAdmit2000Clients(b *testing.B) {
	clients := benchAdmission()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			c := clients[0].admission.Client(clients[i%2000].name)
			if c.Admit(time.Now()).OK {
				c.Connected()
				c.Release(true)
			}
		}
	})
}

func BenchmarkReserve(b *testing.B) {
	clients := benchAdmission()
	unlimited := NewAdmission(1, 1).Client("home")
	for name, l := range map[string]*Limiter{"none": nil, "unlimited": unlimited.Up(), "limited": clients[0].Up()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l.Reserve(100)
				}
			})
		})
	}
}
