package reverse

import (
	"net/netip"
	"slices"
	"testing"

	"tandem/shared/convert"
	"tandem/shared/credential"
)

// keyring knows one key.
type keyring struct{ key *credential.Identity }

func (k keyring) Identity(id credential.KeyID) *credential.Identity {
	if id == k.key.ID() {
		return k.key
	}
	return nil
}

// parked returns what both ends know of a connection that the CPE has parked.
func parked(t *testing.T) (*credential.Signer, *credential.Verifier, keyring, credential.Result, credential.Nonce) {
	t.Helper()
	identity := credential.NewIdentity(credential.NewKey())
	s, v, keys := &credential.Signer{Identity: identity}, credential.NewVerifier(0), keyring{identity}
	for range 2 { // the first is told the time
		m := convert.Message{Info: true, Private: []convert.Raw{{Type: credential.TypeHold}}}
		b, _ := m.Append(nil)
		b, nonce, err := s.Append(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Parse(b, convert.FromClient); err != nil {
			t.Fatal(err)
		}
		hold := v.Verify(keys, b, &m)
		if hold.Verdict == credential.Accepted {
			return s, v, keys, hold, nonce
		}
		answer, _ := v.AppendWrongTime(nil, hold)
		if _, err := m.Parse(answer, convert.FromConverter); err != nil || s.Check(answer, &m, nonce) != credential.Retry {
			t.Fatal("no time told")
		}
	}
	t.Fatal("hold refused")
	panic("unreachable")
}

func TestRequest(t *testing.T) {
	s, _, _, hold, nonce := parked(t)
	for _, want := range []Request{
		{netip.MustParseAddrPort("203.0.113.10:40000"), 2222, netip.AddrPort{}},
		{netip.MustParseAddrPort("203.0.113.10:40000"), 2222, netip.MustParseAddrPort("192.0.2.10:22")},
		{netip.MustParseAddrPort("[2001:db8::1]:1"), 65535, netip.MustParseAddrPort("[2001:db8:1::10]:22")},
	} {
		b, err := AppendRequest([]byte("before"), want, hold)
		if err != nil {
			t.Fatal(err)
		}
		b = b[len("before"):]
		var m convert.Message
		n, err := m.Parse(b, convert.FromConverter)
		if err != nil || n != len(b) {
			t.Fatalf("%x: %d, %v", b, n, err)
		}
		got, ok := ParseRequest(&m)
		if !ok || got != want {
			t.Errorf("got %+v %v, want %+v", got, ok, want)
		}
		if s.Check(b, &m, nonce) != credential.Proven {
			t.Error("unproven")
		}
		if s.Check(b, &m, credential.Nonce{1}) != credential.Unproven {
			t.Error("proven for another connection")
		}
		b[len(b)-21] ^= 1 // the last byte before the Proof
		if _, err := m.Parse(b, convert.FromConverter); err == nil && s.Check(b, &m, nonce) != credential.Unproven {
			t.Error("proven though it was changed")
		}
		if _, ok := ParseAnswer(&m); ok {
			t.Error("a request is taken for an answer")
		}
	}
}

func TestAnswer(t *testing.T) {
	s, v, keys, _, _ := parked(t)
	for _, want := range []convert.Code{Accepted, convert.NotAuthorized, convert.ConnectionReset, convert.DestinationUnreachable} {
		b, err := AppendAnswer(nil, want, s)
		if err != nil {
			t.Fatal(err)
		}
		var m convert.Message
		if _, err := m.Parse(b, convert.FromClient); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if got, ok := ParseAnswer(&m); got != want || !ok {
			t.Errorf("got %d %v, want %d", got, ok, want)
		}
		if r := v.Verify(keys, b, &m); r.Verdict != credential.Accepted {
			t.Error(r.Verdict)
		}
		if _, ok := ParseRequest(&m); ok {
			t.Error("an answer is taken for a request")
		}
	}
	connect, err := convert.AppendConnect(nil, netip.MustParseAddrPort("203.0.113.10:443"))
	if err != nil {
		t.Fatal(err)
	}
	var m convert.Message
	if _, err := m.Parse(connect, convert.FromConverter); err != nil {
		t.Fatal(err)
	}
	if _, ok := ParseRequest(&m); ok {
		t.Error("a bare Connect is taken for a request")
	}
}

func TestWanted(t *testing.T) {
	many := make([]Ports, MaxWanted+5)
	for i := range many {
		many[i] = Ports{uint16(1000 + i), uint16(1000 + i)}
	}
	for _, tt := range []struct{ in, want []Ports }{
		{nil, nil},
		{[]Ports{{22, 22}}, []Ports{{22, 22}}},
		{[]Ports{{22, 22}, {20000, 20099}, {65535, 65535}}, []Ports{{22, 22}, {20000, 20099}, {65535, 65535}}},
		{[]Ports{{0, 5}, {9, 3}, {1, 2}}, []Ports{{1, 2}}},
		{many, many[:MaxWanted]},
	} {
		m := convert.Message{Info: true, Private: []convert.Raw{{Type: credential.TypeHold, Value: WantedValue(tt.in)}}}
		b, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Parse(b, convert.FromClient); err != nil {
			t.Fatal(err)
		}
		hold, _ := m.Lookup(credential.TypeHold)
		if got := ParseWanted(hold.Value); !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %v", tt.in, got)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for in, want := range map[string]Ports{
		"22": {22, 22}, "20000-20099": {20000, 20099}, "1-65535": {1, 65535}, "5-5": {5, 5},
		"": {}, "0": {}, "0-5": {}, "65536": {}, "9-3": {}, "-5": {}, "5-": {}, "1-2-3": {}, " 22": {}, "+22": {}, "22,23": {},
	} {
		got, err := ParsePorts(in)
		if got != want || (err == nil) != (want != Ports{}) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
		if again, err := ParsePorts(got.String()); want != (Ports{}) && (again != want || err != nil) {
			t.Errorf("%q: %v", got, err)
		}
	}
}

// FuzzParse: whatever arrives, nothing breaks, and what is a message says the
// same when it is written again.
func FuzzParse(f *testing.F) {
	f.Add([]byte{format, kindRequest, 8, 174, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 10})
	f.Add([]byte{format, kindAnswer, 96, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 22, 0, 22, 78, 32, 78, 131})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := convert.Message{HasConnect: true, Private: []convert.Raw{{Type: Type, Value: b}}}
		_, _ = ParseRequest(&m)
		_, _ = ParseAnswer(&m)
		wanted := ParseWanted(b)
		if again := ParseWanted(WantedValue(wanted)); !slices.Equal(again, wanted) {
			t.Errorf("%v became %v", wanted, again)
		}
	})
}
