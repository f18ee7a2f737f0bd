package receive

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tandem/shared/convert"
)

// rejects are the rows of the RFC reference, section 6, and some more.
var rejects = []struct {
	name, message string
	want          string // bytes that come back
	reset         bool   // instead of FIN
}{
	{"total length 0", "01002263", "", true},
	{"version 2", "02062263" + connect4, "01022263 1e010001", false},
	{"version 0", "00062263" + connect4, "01022263 1e010001", false},
	{"wrong magic", "01062264" + connect4, "", false},
	{"tlv length 0", "01022263 0a000000", "01042263 1e030100 01022263 0a000000", false},
	{"tlv beyond total length", "01022263 0a0501bb", "01042263 1e030100 01022263 0a0501bb", false},
	{"duplicate", "010b2263" + connect4 + connect4, "010d2263 1e0c0100 010b2263" + connect4 + connect4, false},
	{"type 0", "01022263 00010000", "01042263 1e030200 01022263 00010000", false},
	{"unknown type", "01022263 63010000", "01042263 1e030200 01022263 63010000", false},
	{"::1", "01062263 0a050050 00000000000000000000000000000001",
		"01082263 1e070100 01062263 0a050050 00000000000000000000000000000001", false},
	{"127.0.0.1", "01062263 0a050050 00000000 00000000 0000ffff 7f000001",
		"01082263 1e070100 01062263 0a050050 00000000 00000000 0000ffff 7f000001", false},
	{"ff02::1", "01062263 0a050050 ff020000000000000000000000000001",
		"01082263 1e070100 01062263 0a050050 ff020000000000000000000000000001", false},
	{"224.0.0.1", "01062263 0a050050 00000000 00000000 0000ffff e0000001",
		"01082263 1e070100 01062263 0a050050 00000000 00000000 0000ffff e0000001", false},
	{"255.255.255.255", "01062263 0a050050 00000000 00000000 0000ffff ffffffff",
		"01082263 1e070100 01062263 0a050050 00000000 00000000 0000ffff ffffffff", false},
	{"connect of 4 words", "01052263 0a0401bb 00000000 00000000 0000ffff",
		"01072263 1e060100 01052263 0a0401bb 00000000 00000000 0000ffff", false},
	{"connect of 1 word", "01022263 0a0101bb", "01042263 1e030100 01022263 0a0101bb", false},
	{"option kind 0", "01072263 0a0601bb 00000000000000000000ffffcb00710a 00020000",
		"01092263 1e080100 01072263 0a0601bb 00000000000000000000ffffcb00710a 00020000", false},
	{"option kind 1", "01072263 0a0601bb 00000000000000000000ffffcb00710a 01020000",
		"01092263 1e080100 01072263 0a0601bb 00000000000000000000ffffcb00710a 01020000", false},
	{"option length 1", "01072263 0a0601bb 00000000000000000000ffffcb00710a 1e010000",
		"01092263 1e080100 01072263 0a0601bb 00000000000000000000ffffcb00710a 1e010000", false},
	{"option past the tlv", "01072263 0a0601bb 00000000000000000000ffffcb00710a 1e050000",
		"01092263 1e080100 01072263 0a0601bb 00000000000000000000ffffcb00710a 1e050000", false},
	{"option 29", "01072263 0a0601bb 00000000000000000000ffffcb00710a 1d020000", "01022263 1e01211d", false},
}

func TestRejects(t *testing.T) {
	for _, tt := range rejects {
		for _, way := range []struct {
			name   string
			chunk  int
			behind string // user data
			answer bool
		}{
			{"at once", 4096, "", true}, {"byte by byte", 1, "", true},
			{"with user data", 4096, "GET / HTTP/1.1\r\n", true}, {"not to be answered", 4096, "", false},
		} {
			t.Run(tt.name+", "+way.name, func(t *testing.T) {
				client, server := connected(t)
				done := make(chan error, 1)
				go func() { done <- serve(server, 10*time.Second, way.answer) }()
				out := append(unhex(tt.message), way.behind...)
				for len(out) > 0 {
					n := min(way.chunk, len(out))
					if _, err := client.Write(out[:n]); err != nil {
						break // refused after its first bytes
					}
					out = out[n:]
				}
				want := tt.want
				if !way.answer {
					want = ""
				}
				got, reset := finish(t, client)
				client.Close()
				// A close over bytes that were not read resets as well: only what
				// is answered must end in FIN.
				if want := strings.ReplaceAll(want, " ", ""); got != want || reset && want != "" || tt.reset && !reset {
					t.Errorf("got %q, reset %v; want %q, reset %v", got, reset, want, tt.reset)
				}
				var syntax *convert.SyntaxError
				if err := <-done; !errors.As(err, &syntax) {
					t.Errorf("Read: %v", err)
				}
			})
		}
	}
}
