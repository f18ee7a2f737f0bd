package handshake

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"tandem/shared/convert"
	"tandem/shared/credential"
)

// far is the concentrator's end: it has one key.
type far struct {
	identity *credential.Identity
	verifier *credential.Verifier
}

func (f *far) Identity(id credential.KeyID) *credential.Identity {
	if id == f.identity.ID() {
		return f.identity
	}
	return nil
}

// hear judges a request as the concentrator does.
func (f *far) hear(t *testing.T, request []byte) credential.Result {
	t.Helper()
	var m convert.Message
	if n, err := m.Parse(request, convert.FromClient); err != nil || n != len(request) {
		t.Fatalf("request %x: %d, %v", request, n, err)
	}
	return f.verifier.Verify(f, request, &m)
}

func ends(t *testing.T, clock time.Duration) (*credential.Signer, *far) {
	t.Helper()
	id, key := credential.NewKey()
	f := &far{credential.NewIdentity(id, key), credential.NewVerifier(16)}
	return &credential.Signer{Identity: credential.NewIdentity(id, key),
		Now: func() time.Time { return time.Now().Add(clock) }}, f
}

// A router whose clock is wrong is corrected by the first answer: the second
// request is taken, and the next ones at once.
func TestClock(t *testing.T) {
	dst := netip.MustParseAddrPort("203.0.113.10:443")
	const year = 365 * 24 * time.Hour
	for _, clock := range []time.Duration{-10 * year, 10 * year, -time.Hour, time.Hour} {
		s, far := ends(t, clock)
		var header [256]byte
		request, nonce, err := AppendConnect(header[:0], dst, netip.Addr{}, []byte{1, 2, 3, 4}, s)
		if err != nil {
			t.Fatal(err)
		}
		r := far.hear(t, request)
		if r.Verdict != credential.Stale {
			t.Fatalf("clock %s: verdict %s", clock, r.Verdict)
		}
		reply, err := far.verifier.AppendWrongTime(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if a, _, err := ReadAnswer(bytes.NewReader(reply), make([]byte, AnswerBuffer), s, nonce); err != nil || a.Kind != WrongTime {
			t.Fatalf("clock %s: answer %+v, %v", clock, a, err)
		}
		if off := s.Offset() + clock; off < -time.Minute || off > time.Minute {
			t.Errorf("clock %s: corrected by %s", clock, s.Offset())
		}
		for range 3 {
			again, nonce, err := AppendConnect(header[:0], dst, netip.Addr{}, nil, s)
			if err != nil {
				t.Fatal(err)
			}
			r := far.hear(t, again)
			if r.Verdict != credential.Accepted {
				t.Errorf("clock %s: then %s", clock, r.Verdict)
			}
			reply, err := r.AppendProof(convert.AppendSuccess(nil))
			if err != nil {
				t.Fatal(err)
			}
			a, rest, err := ReadAnswer(bytes.NewReader(append(reply, "hello"...)), make([]byte, AnswerBuffer), s, nonce)
			if err != nil || a.Kind != Accepted || string(rest) != "hello" {
				t.Errorf("clock %s: answer %+v with %q, %v", clock, a, rest, err)
			}
		}
	}
}

// Whoever answers a signed request without the key is not believed, whatever it
// says, and nothing that it sent is handed on.
func TestUnproven(t *testing.T) {
	s, far := ends(t, 0)
	request, nonce, err := AppendInfo(nil, nil, s)
	if err != nil {
		t.Fatal(err)
	}
	// So that the Verifier, which has just started, takes the time.
	stale, err := far.verifier.AppendWrongTime(nil, far.hear(t, request))
	if err != nil {
		t.Fatal(err)
	}
	if a, _, err := ReadAnswer(bytes.NewReader(stale), make([]byte, AnswerBuffer), s, nonce); err != nil || a.Kind != WrongTime {
		t.Fatalf("answer %+v, %v", a, err)
	}
	request, nonce, err = AppendInfo(nil, nil, s)
	if err != nil {
		t.Fatal(err)
	}
	r := far.hear(t, request)
	good, err := r.AppendProof(convert.AppendSuccess(nil))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	otherKey, _ := ends(t, 0)
	for _, tt := range []struct {
		name   string
		answer []byte
		signer *credential.Signer
		nonce  credential.Nonce
		want   Kind
		code   convert.Code
	}{
		{"ours", good, s, nonce, Accepted, 0},
		{"bare success", convert.AppendSuccess(nil), s, nonce, Unproven, 0},
		{"one bit", flipped, s, nonce, Unproven, 0},
		{"to another request", good, s, credential.Nonce{1}, Unproven, 0},
		{"other key", good, otherKey, nonce, Unproven, 0},
		{"a reset that nobody proves", unhex(t, "010222631e016000"), s, nonce, Unproven, convert.ConnectionReset},
		{"a time that nobody proves", unhex(t, "010422631e03c0000000019b7e943200"), s, nonce, Unproven, credential.WrongTime},
		{"a portal's page", []byte("HTTP/1.1 302 Found\r\n\r\n"), s, nonce, Unproven, 0},
		{"an unknown TLV", unhex(t, "0102226363010000"), s, nonce, Unproven, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.Offset()
			a, rest, err := ReadAnswer(bytes.NewReader(append(bytes.Clone(tt.answer), "user data"...)), make([]byte, AnswerBuffer), tt.signer, tt.nonce)
			if err != nil || a.Kind != tt.want || a.Code != tt.code {
				t.Fatalf("%+v, %v; want kind %d, code %d", a, err, tt.want, tt.code)
			}
			if a.Kind == Unproven && (len(rest) > 0 || !errors.Is(a.Err(), ErrUnproven)) {
				t.Errorf("handed on %q, error %v", rest, a.Err())
			}
			if s.Offset() != before {
				t.Errorf("the clock follows it: %s", s.Offset()-before)
			}
		})
	}
}

// The header's buffer holds a signed request: no allocation on the path.
func TestSignedAllocations(t *testing.T) {
	s, _ := ends(t, 0)
	dst := netip.MustParseAddrPort("[2001:db8::1]:443")
	var header [256]byte
	if n := testing.AllocsPerRun(100, func() { _, _, _ = AppendConnect(header[:0], dst, netip.Addr{}, nil, s) }); n > 1 {
		t.Errorf("%v allocations for a request", n)
	}
}
