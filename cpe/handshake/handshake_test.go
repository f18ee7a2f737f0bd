package handshake

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"testing"
	"testing/iotest"
	"time"

	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/origin"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppend(t *testing.T) {
	v4 := netip.MustParseAddrPort("203.0.113.10:443")
	for _, tt := range []struct{ name, want string }{
		{"connect", "010622630a0501bb00000000000000000000ffffcb00710a"},
		{"connect with cookie", "010822630a0501bb00000000000000000000ffffcb00710a1602000001020304"},
		{"info", "0102226301010000"},
	} {
		var got []byte
		var err error
		switch tt.name {
		case "connect":
			got, _, err = AppendConnect(nil, v4, netip.Addr{}, nil, nil)
		case "connect with cookie":
			got, _, err = AppendConnect(nil, v4, netip.Addr{}, []byte{1, 2, 3, 4}, nil)
		case "info":
			got, _, err = AppendInfo(nil, nil, nil)
		}
		if err != nil || hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: %x, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, bytes string
		want        Answer
		rest        string
	}{
		{"bare header", "01012263", Answer{Kind: Accepted}, ""},
		{"with the server's bytes", "01012263" + "68656c6c6f", Answer{Kind: Accepted}, "hello"},
		{"extended header", "01072263140600000204 05b40402080a112233445566778801030307", Answer{Kind: Accepted}, ""},
		{"supported", "01032263150200001e000000", Answer{Kind: Accepted}, ""},
		{"supported, and the LAN host is to be named", "0104226315020000" + "1e000000" + "cc010101", Answer{Kind: Accepted, WantsOrigin: true}, ""},
		{"the LAN host is missing", "010222631e01c100", Answer{Kind: NeedsOrigin, Code: origin.Missing}, ""},
		{"reset", "010222631e016000", Answer{Kind: Refused, Code: convert.ConnectionReset}, ""},
		{"unreachable", "010222631e016101", Answer{Kind: Unreachable, Code: convert.DestinationUnreachable}, ""},
		{"busy, 120 s", "010222631e014078", Answer{Kind: Busy, Code: convert.ResourceExceeded, Wait: 120 * time.Second}, ""},
		{"network failure, no time", "010222631e014100", Answer{Kind: Busy, Code: convert.NetworkFailure, Wait: 30 * time.Second}, ""},
		{"not authorized", "010222631e012000", Answer{Kind: Forbidden, Code: convert.NotAuthorized}, ""},
		{"cookie", "010622631e05030000112233445566778899aabbccddeeff", Answer{Kind: NeedsCookie, Code: convert.MissingCookie,
			Cookie: []byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}}, ""},
		{"version", "010222631e010001", Answer{Kind: Broken, Code: convert.UnsupportedVersion}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := unhex(t, string(bytes.ReplaceAll([]byte(tt.bytes), []byte(" "), nil)))
			for name, r := range map[string]io.Reader{"whole": bytes.NewReader(in), "byte by byte": iotest.OneByteReader(bytes.NewReader(in))} {
				got, rest, err := ReadAnswer(r, make([]byte, AnswerBuffer), nil, credential.Nonce{})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				left, _ := io.ReadAll(r)
				if got.Kind != tt.want.Kind || got.WantsOrigin != tt.want.WantsOrigin || got.Code != tt.want.Code || got.Wait != tt.want.Wait || !bytes.Equal(got.Cookie, tt.want.Cookie) {
					t.Errorf("%s: %+v, want %+v", name, got, tt.want)
				}
				if string(rest)+string(left) != tt.rest {
					t.Errorf("%s: rest %q + %q, want %q", name, rest, left, tt.rest)
				}
			}
		})
	}
}

func TestReadAnswerRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"no converter":  "485454502f312e312032303020",
		"length 0":      "01002263",
		"cut off":       "010222631e",
		"nothing":       "",
		"unknown type":  "0102226363010000",
		"from a client": "0102226301010000",
	} {
		t.Run(name, func(t *testing.T) {
			if len(in)%2 == 1 {
				in = in[:len(in)-1]
			}
			_, _, err := ReadAnswer(bytes.NewReader(unhex(t, in)), make([]byte, AnswerBuffer), nil, credential.Nonce{})
			if err == nil {
				t.Fatal("accepted")
			}
			if name == "nothing" && !errors.Is(err, io.EOF) {
				t.Errorf("got %v, want io.EOF", err)
			}
		})
	}
}
