package credential

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"tandem/shared/convert"
)

// keyring is a Keys made of a map.
type keyring map[KeyID]*Identity

func (k keyring) Identity(id KeyID) *Identity { return k[id] }

// hands is a clock that a test sets.
type hands struct{ wall, mono int64 }

func (h *hands) read() (wall, mono int64) { return h.wall, h.mono }

func (h *hands) advance(d time.Duration) {
	h.wall += d.Milliseconds()
	h.mono += d.Milliseconds()
}

// noon is the time at which tests happen: 2026-01-02 12:00:00 UTC.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// pair is both ends with one key, the converter in service for a minute.
type pair struct {
	keys     keyring
	clock    *hands
	signer   *Signer
	verifier *Verifier
}

func exampleKey(tb testing.TB) (KeyID, Key) {
	tb.Helper()
	b := make([]byte, KeyLen)
	for i := range b {
		b[i] = byte(i)
	}
	key, err := KeyFrom(b)
	if err != nil {
		tb.Fatal(err)
	}
	return KeyID{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7}, key
}

func newPair(tb testing.TB) *pair {
	tb.Helper()
	identity := NewIdentity(exampleKey(tb))
	p := &pair{keys: keyring{identity.ID(): identity}, clock: &hands{wall: noon.UnixMilli()}}
	p.clock.wall -= 60_000
	p.verifier = p.restarted()
	p.clock.advance(time.Minute)
	p.signer = &Signer{Identity: identity, Now: func() time.Time { return time.UnixMilli(p.clock.wall) }}
	return p
}

// restarted is a fresh Verifier by the pair's clock.
func (p *pair) restarted() *Verifier { return newVerifier(0, newClock(p.clock.read)) }

// request is a Connect to 203.0.113.10:443, not signed.
func request(tb testing.TB) []byte {
	tb.Helper()
	b, err := convert.AppendConnect(nil, netip.MustParseAddrPort("203.0.113.10:443"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// sign is a signed request.
func (p *pair) sign(tb testing.TB) ([]byte, Nonce) {
	tb.Helper()
	b, nonce, err := p.signer.Append(request(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return b, nonce
}

// verify is what the converter does with received bytes: parse and judge. What
// cannot be parsed has no one to be judged.
func (p *pair) verify(received []byte) Result {
	return verify(p.verifier, p.keys, received)
}

func verify(v *Verifier, keys Keys, received []byte) Result {
	var m convert.Message
	n, err := m.Parse(received, convert.FromClient)
	if e, ok := err.(*convert.SyntaxError); err != nil && (!ok || !e.Complete) {
		return Result{}
	}
	return v.Verify(keys, received[:n], &m)
}

// check is what the client does with received bytes.
func (p *pair) check(received []byte, nonce Nonce) Answer {
	var m convert.Message
	n, err := m.Parse(received, convert.FromConverter)
	if err != nil {
		return Unproven
	}
	return p.signer.Check(received[:n], &m, nonce)
}

// resign replaces the tag with the right one.
func resign(b []byte, i *Identity) []byte {
	b = bytes.Clone(b)
	tag := i.macs().credential.tag(nil, b[:len(b)-tagLen])
	copy(b[len(b)-tagLen:], tag[:])
	return b
}

func stranger(t *testing.T, what string, r Result) {
	t.Helper()
	if r != (Result{}) {
		t.Errorf("%s: %+v, want refused and no more", what, r)
	}
}
