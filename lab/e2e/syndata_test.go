package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/credential"
)

// The longest wait for the LAN host's first bytes: what is sent must not depend
// on how busy the machine is.
const synDataOn = "\toption first_byte 'syn'\n\toption first_data_wait '100'\n"

// TestRequestInSYN looks at the wire: with first_byte syn the MP_CAPABLE SYN carries
// header, Connect and the LAN host's first bytes, is acknowledged, and the
// connection stays MPTCP.
func TestRequestInSYN(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.CPE = synDataOn
	h := build(t, o)
	const hello = "GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n" // what FirstByte sends
	const request = 4 + 20 + credential.Len                                  // header, Connect and Credential
	captured := capture(t, h)
	before := up(t, h)
	const n = 5
	for range n {
		if _, err := h.FirstByte(within(t, 10*time.Second), "", house.Server4); err != nil {
			t.Fatal(err)
		}
	}
	after := up(t, h)
	payload := regexp.MustCompile("011122630a05005000000000000000000000ffffcb00710a" +
		"c80b0100" + h.Key + "[0-9a-f]{64}" + hex.EncodeToString([]byte(hello)))
	if got := captured(); !payload.MatchString(got) {
		t.Errorf("captured SYN %s\ndoes not carry %s", got, payload)
	}
	// A SYN more, without data, asks whether the concentrator still works when an
	// answer is late on a busy machine.
	if got, want := after.capable-before.capable, uint64(n); got < want {
		t.Errorf("%d MP_CAPABLE SYNs for %d connections", got, want)
	}
	if got, want := after.payload-before.payload, uint64(n*(request+len(hello))); got != want {
		t.Errorf("SYNs carried %d bytes, want %d: %d of request and %d of the LAN host each", got, want, request, len(hello))
	}
	s := status(t, h)
	if c := s.Concentrators[0].SynData; c.Tried != n || c.Acked != n || c.FellBack != 0 {
		t.Errorf("data in the SYN: %+v, want %d tried and taken, none fallen back", c, n)
	}
	if s.Flows.MPTCP != n {
		t.Errorf("flows %+v, want %d by MPTCP", s.Flows, n)
	}
	if err := h.Download(within(t, 60*time.Second), "", house.Server4, 10<<20); err != nil {
		t.Errorf("10 MB over a connection with data in the SYN: %v", err)
	}
}

type synCount struct{ capable, payload uint64 }

// up counts the SYNs that left the cpe on both lines.
func up(t *testing.T, h *house.House) (c synCount) {
	t.Helper()
	for _, l := range h.Links() {
		s, err := l.Stats()
		if err != nil {
			t.Fatal(err)
		}
		c.capable += s.Up.CapableSYNs
		c.payload += s.Up.CapableSYNPayload
	}
	return c
}

// capture starts tcpdump on the DSL line; captured returns the first MPTCP SYN
// towards the concentrator, in hex.
func capture(t *testing.T, h *house.House) (captured func() string) {
	t.Helper()
	cmd := h.Host("cpe").Command(within(t, 30*time.Second), "tcpdump", "-ni", "dsl", "-l", "-c", "1", "-x",
		"tcp dst port 5124 and tcp[tcpflags] & tcp-syn != 0")
	var said house.Log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "tcpdump listens", func() bool { return said.Count("listening on") > 0 })
	return func() string {
		text, err := io.ReadAll(out)
		if err := errors.Join(err, cmd.Wait()); err != nil {
			t.Fatalf("tcpdump: %v: %s", err, &said)
		}
		if !strings.Contains(string(text), "mptcp") || !strings.Contains(string(text), "capable") {
			t.Errorf("no MP_CAPABLE in %s", text)
		}
		var packet strings.Builder
		for _, line := range strings.Split(string(text), "\n") {
			if _, bytes, ok := strings.Cut(line, ":  "); ok && strings.HasPrefix(line, "\t0x") {
				packet.WriteString(strings.ReplaceAll(bytes, " ", ""))
			}
		}
		return packet.String()
	}
}

// TestSYNDataRefused turns the concentrator's kernel off SYN data: after the
// detection, connections are bonded all the same.
func TestSYNDataRefused(t *testing.T) {
	t.Parallel()
	o := sixty()
	o.CPE = synDataOn
	h := build(t, o)
	ctx := within(t, 60*time.Second)
	run(t, ctx, h.Host("core"), "sysctl", "-qw", "net.ipv4.tcp_fastopen=0")
	fetch := func(ctx context.Context) {
		t.Helper()
		if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
			t.Fatal(err)
		}
	}
	fetch(ctx) // pays with MPTCP, and teaches
	learnt := status(t, h)
	if c := learnt.Concentrators[0].SynData; c.Tried != 1 || c.Acked != 0 {
		t.Fatalf("data in the SYN: %+v, want one try, not taken", c)
	}
	const n = 10
	for range n {
		fetch(ctx)
	}
	s := status(t, h)
	if got := s.Flows.MPTCP - learnt.Flows.MPTCP; got != n {
		t.Errorf("%d of %d connections by MPTCP after the detection", got, n)
	}
	if c := s.Concentrators[0].SynData; c.Tried != 1 {
		t.Errorf("data in the SYN: %+v, want no further try", c)
	}
}
