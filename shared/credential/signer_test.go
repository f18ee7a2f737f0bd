package credential

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"tandem/shared/convert"
)

// attempt sends one request and returns the verdict and the client's view of
// the answer.
func (p *pair) attempt(t *testing.T) (Verdict, Answer) {
	t.Helper()
	msg, nonce := p.sign(t)
	r := p.verify(msg)
	var reply []byte
	var err error
	switch r.Verdict {
	case Accepted:
		reply, err = r.AppendProof(convert.AppendSuccess(nil))
	case Stale:
		reply, err = p.verifier.AppendWrongTime(nil, r)
	default:
		return r.Verdict, Unproven
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Verdict, p.check(reply, nonce)
}

// A client whose clock is off needs one retry, once.
func TestClockOff(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, off := range []time.Duration{-10 * year, 10 * year, -56 * year, -MaxAge - time.Second, MaxAhead + time.Second, MaxAge + time.Second} {
		p := newPair(t)
		p.clock.advance(time.Hour)
		p.signer.Now = func() time.Time { return time.UnixMilli(p.clock.wall).Add(off) }
		if v, a := p.attempt(t); v != Stale || a != Retry {
			t.Errorf("%v, first: %v, %v", off, v, a)
		}
		if got := p.signer.Offset(); got != -off {
			t.Errorf("%v: corrected by %v", off, got)
		}
		for range 100 {
			p.clock.advance(time.Minute)
			if v, a := p.attempt(t); v != Accepted || a != Proven {
				t.Fatalf("%v, later: %v, %v", off, v, a)
			}
		}
		// The router's clock is put right: one more retry, where the offset
		// matters at all.
		wrong := -off
		off = 0
		if wrong >= -MaxAge && wrong <= MaxAhead {
			continue
		}
		if v, a := p.attempt(t); v != Stale || a != Retry {
			t.Errorf("put right, first: %v, %v", v, a)
		}
		if v, a := p.attempt(t); v != Accepted || a != Proven || p.signer.Offset() != 0 {
			t.Errorf("put right, second: %v, %v, %v", v, a, p.signer.Offset())
		}
	}
}

// Strangers cannot turn the client's clock: not with an Error 192 of their own,
// nor with one for another request, nor for another client.
func TestClockTurnedByAStranger(t *testing.T) {
	p := newPair(t)
	other := NewIdentity(NewKey())
	p.keys[other.ID()] = other
	msg, nonce := p.sign(t)
	p.clock.advance(time.Hour)
	r := p.verify(msg)
	right, err := p.verifier.AppendWrongTime(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := p.verifier.AppendWrongTime(nil, Result{Key: other, Nonce: nonce})
	earlier, _ := p.verifier.AppendWrongTime(nil, Result{Key: r.Key, Nonce: Nonce{1}})
	bare := bytes.Clone(right[:len(right)-ProofLen])
	bare[1] = byte(len(bare) / 4)
	behind, _ := r.AppendProof(convert.AppendSuccess(nil))
	behind = append(behind, bare[4:]...) // the error behind a proof for success
	behind[1] = byte(len(behind) / 4)
	p.clock.advance(-time.Hour)
	for name, b := range map[string][]byte{"foreign": foreign, "earlier": earlier, "bare": bare, "behind": behind} {
		if a := p.check(b, nonce); a != Unproven || p.signer.Offset() != 0 {
			t.Errorf("%s: %v, clock turned by %v", name, a, p.signer.Offset())
		}
	}
	if a := p.check(right, nonce); a != Retry || p.signer.Offset() != time.Hour {
		t.Errorf("right: %v, clock turned by %v", a, p.signer.Offset())
	}
}

func TestAppendErrors(t *testing.T) {
	p := newPair(t)
	full := make([]byte, convert.MaxMessage-Len+4)
	copy(full, convert.AppendSuccess(nil))
	full[1] = byte(len(full) / 4)
	fits := bytes.Clone(full[:len(full)-4])
	fits[1]--
	broken := errors.New("no entropy")
	tests := map[string]struct {
		msg  []byte
		rand io.Reader
		want string
	}{
		"fits":          {fits, nil, ""},
		"too long":      {full, nil, convert.ErrTooLong.Error()},
		"user data":     {append(request(t), 'x'), nil, "credential: not one whole convert message"},
		"cut":           {request(t)[:20], nil, "credential: not one whole convert message"},
		"empty":         {nil, nil, "credential: not one whole convert message"},
		"not a message": {[]byte("GET "), nil, "credential: not one whole convert message"},
		"no nonce":      {request(t), iotest.ErrReader(broken), "credential: nonce: no entropy"},
	}
	for name, test := range tests {
		p.signer.Rand = test.rand
		before := bytes.Clone(test.msg)
		// With room behind it, so that an error could leave traces.
		msg := append(make([]byte, 0, 2*convert.MaxMessage), test.msg...)
		got, _, err := p.signer.Append(msg)
		switch {
		case err == nil && test.want != "", err != nil && err.Error() != test.want:
			t.Errorf("%s: %v, want %q", name, err, test.want)
		case err != nil && !bytes.Equal(got, before):
			t.Errorf("%s: message has changed", name)
		case err == nil && (len(got) != len(before)+Len || int(got[1]) != len(got)/4):
			t.Errorf("%s: %d bytes, total length %d", name, len(got), got[1])
		}
	}
}

// A router's clock may be before 1970.
func TestClockBeforeTheEpoch(t *testing.T) {
	p := newPair(t)
	p.signer.Now = func() time.Time { return time.Unix(-1000, 0) }
	if v, a := p.attempt(t); v != Stale || a != Retry {
		t.Fatalf("%v, %v", v, a)
	}
	if v, a := p.attempt(t); v != Accepted || a != Proven {
		t.Errorf("%v, %v", v, a)
	}
}

// The next copy of a request is a replay that can be told from the first, and
// only its client can make it.
func TestAgain(t *testing.T) {
	p := newPair(t)
	msg, nonce := p.sign(t)
	if r := p.verify(msg); r.Verdict != Accepted || r.Copy != 0 {
		t.Fatalf("the first: %+v", r)
	}
	for n := 1; n < 256; n++ {
		if err := p.signer.Again(msg); err != nil {
			t.Fatal(err)
		}
		if r := p.verify(msg); r.Verdict != Replayed || r.Copy != n || r.Nonce != nonce {
			t.Fatalf("copy %d: %+v", n, r)
		}
	}
	if p.signer.Again(msg) == nil {
		t.Error("the 256th copy is made")
	}
	forged, _ := p.sign(t)
	forged[len(forged)-Len+atCopy] = 1
	if r := p.verify(forged); r.Verdict != Refused {
		t.Errorf("a forged number: %+v", r)
	}
	for _, bad := range [][]byte{nil, forged[:len(forged)-1], append(forged, 0), convert.AppendSuccess(nil)} {
		if p.signer.Again(bad) == nil {
			t.Errorf("% x is made a copy", bad)
		}
	}
}
