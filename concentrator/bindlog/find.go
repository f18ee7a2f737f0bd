package bindlog

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Find reads log lines that [Slog] has written, in order of time and among
// others, and returns who had the external address and port at that time. Two
// clients are an error: that cannot be.
//
// A block whose end is missing, since the daemon was killed, is its client's
// until the same ports are somebody's again.
func Find(log io.Reader, external netip.AddrPort, at time.Time) (client string, ok bool, err error) {
	var unended string // who got, last before that time, a block that has no end yet
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r, is := parseRecord(lines.Text())
		if !is || r.External.Addr() != external.Addr() ||
			external.Port() < r.External.Port() || external.Port() > max(r.Last, r.External.Port()) || r.Start.After(at) {
			continue
		}
		if r.End.IsZero() {
			unended = r.Client
			continue
		}
		if r.Last != 0 {
			unended = ""
		}
		if at.After(r.End) {
			continue
		}
		if ok && client != r.Client {
			return "", false, fmt.Errorf("both %q and %q had %s at %s", client, r.Client, external, at.Format(time.RFC3339))
		}
		client, ok = r.Client, true
	}
	if err := lines.Err(); err != nil {
		return "", false, err
	}
	if !ok && unended != "" {
		return unended, true, nil
	}
	return client, ok, nil
}

// parseRecord reads one line, of a log file or of the journal; is tells whether
// it is a binding.
func parseRecord(line string) (r Record, is bool) {
	if !strings.Contains(line, "binding client=") {
		return r, false
	}
	var err error
	time := func(name string) (t time.Time) {
		if value := field(line, name); value != "" && err == nil {
			t, err = time.Parse(time.RFC3339, value)
		}
		return t
	}
	r.Client, r.Start, r.End = field(line, "client"), time("start"), time("end")
	external, last, block := strings.Cut(field(line, "external"), "-")
	if err == nil {
		r.External, err = netip.ParseAddrPort(external)
	}
	if block && err == nil {
		var n uint64
		n, err = strconv.ParseUint(last, 10, 16)
		r.Last = uint16(n)
	}
	return r, err == nil && !r.Start.IsZero()
}

// field returns the value of name in a line of the form name=value. Names of
// clients need no quotes.
func field(line, name string) string {
	_, rest, _ := strings.Cut(line, " "+name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}
