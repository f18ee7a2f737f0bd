package main

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"tandem/concentrator/receive"
)

// TestUnsaid: a router connects and says nothing, to see whether a line works or
// because another line was faster. However often it does, its next request is
// read. Who says what no client says is turned away in the end.
func TestUnsaid(t *testing.T) {
	d := newDesk(t)
	set, source := d.server.settings.Load(), netip.MustParseAddr("198.51.100.8")
	connect := func(say string) {
		t.Helper()
		cpe, far := pair(t)
		if _, err := far.Write([]byte(say)); err != nil {
			t.Fatal(err)
		}
		_ = far.SetLinger(0)
		if say != "" {
			_ = far.CloseWrite()
		} else {
			far.Close() // a reset
		}
		r := new(receive.Pool).Get()
		err := r.Read(cpe, time.Now().Add(5*time.Second))
		if err == nil {
			t.Fatal("it is a request")
		}
		d.server.malformed(context.Background(), cpe, source, set, r, err)
	}
	for range 500 {
		connect("")
	}
	if !d.server.front.Admit(source) {
		t.Error("a source that connected and said nothing is turned away")
	}
	for range 200 {
		connect("GET / HTTP/1.0\r\n\r\n")
	}
	if d.server.front.Admit(source) {
		t.Error("a source that says what no client says is not turned away")
	}
}
