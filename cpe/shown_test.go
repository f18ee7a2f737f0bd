package main

import (
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/cpe/flows"
	"tandem/shared/mptcp"
)

// carried is a flow's relay that has moved so many bytes.
type carried int64

func (c carried) Bytes() (up, down int64) { return 1, int64(c) }
func (carried) Server() syscall.Conn      { return nil }
func (carried) Abort(error)               {}

func TestShownFlows(t *testing.T) {
	now := time.Now()
	var table flows.Table
	for i := range 2000 {
		f := &flows.Flow{
			Host: netip.MustParseAddrPort("192.0.2.7:40000"), Destination: netip.MustParseAddrPort("[2001:db8::1]:443"),
			Started: now.Add(-time.Minute), Mode: "bond",
		}
		f.Attach(carried(i % 997))
		table.Add(f)
	}
	lineOf := func(a netip.Addr) (string, bool) {
		return map[string]string{"198.51.100.1": "dsl", "198.51.100.2": "lte"}[a.String()], true
	}
	over := func(source string, up, down uint64) mptcp.Subflow {
		return mptcp.Subflow{Local: netip.MustParseAddrPort(source), BytesAcked: up, BytesReceived: down}
	}
	subflows := []mptcp.Subflow{over("198.51.100.1:1", 1, 2), over("198.51.100.2:1", 3, 4), over("198.51.100.1:2", 5, 6)}
	list := func(limit int, subflows []mptcp.Subflow) (total int, rows []string) {
		s := newShowing(table.List(), limit, lineOf, now)
		for _, f := range table.List() {
			s.look(f, subflows)
		}
		l := s.list()
		return l.Total, slices.Collect(strings.Lines(l.Flows))
	}
	for limit, want := range map[int]int{0: showFlows, 10: 10, 5000: maxShown, -1: showFlows} {
		if total, rows := list(limit, nil); len(rows) != want || total != 2000 {
			t.Errorf("limit %d: %d flows of %d, want %d of 2000", limit, len(rows), total, want)
		}
	}
	for _, tt := range []struct {
		subflows []mptcp.Subflow
		want     string
	}{
		{nil, "997\t192.0.2.7\t[2001:db8::1]:443\t60\tbond\ttcp\t1\t996\n"},
		{subflows, "997\t192.0.2.7\t[2001:db8::1]:443\t60\tbond\tmptcp\t1\t996\tdsl\t6\t8\tlte\t3\t4\n"},
	} {
		if _, rows := list(3, tt.subflows); rows[0] != tt.want {
			t.Errorf("first: %q, want %q", rows[0], tt.want)
		}
	}
}

func TestShownRefuses(t *testing.T) {
	for _, args := range [][]string{{shown}, {shown, "many"}, {shown, "1", "2"}} {
		if answer, err := new(cpe).reported(args); err == nil {
			t.Errorf("status %q: %+v", args, answer)
		}
	}
}
