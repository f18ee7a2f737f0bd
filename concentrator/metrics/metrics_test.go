package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	var b strings.Builder
	err := Write(&b, []Metric{
		One("a_total", Counter, `one \ two`, 12345678901),
		{Name: "b", Kind: Gauge, Help: "h", Values: []Value{
			{[]Label{{"client", `x"y\z`}, {"direction", "up"}}, 0.5},
			{[]Label{{"client", "line\nbreak"}}, 2},
		}},
		{Name: "none", Kind: Gauge, Help: "no values"},
	})
	want := `# HELP a_total one \\ two
# TYPE a_total counter
a_total 1.2345678901e+10
# HELP b h
# TYPE b gauge
b{client="x\"y\\z",direction="up"} 0.5
b{client="line\nbreak"} 2
# HELP none no values
# TYPE none gauge
`
	if got := b.String(); got != want || err != nil {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ill error
	s := &Server{Listener: l,
		Collect: func() []Metric { return []Metric{One("x", Gauge, "h", 1)} },
		Healthy: func() error { return ill }}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if code, body := get("/metrics"); code != 200 || !strings.HasSuffix(body, "x 1\n") {
		t.Errorf("/metrics: %d %q", code, body)
	}
	if code, body := get("/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %q", code, body)
	}
	ill = errors.New("draining")
	if code, body := get("/healthz"); code != 503 || body != "draining\n" {
		t.Errorf("/healthz while ill: %d %q", code, body)
	}
	if code, _ := get("/"); code != 404 {
		t.Errorf("/: %d", code)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
