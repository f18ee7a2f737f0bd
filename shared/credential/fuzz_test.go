package credential

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"tandem/shared/convert"
)

// zeros is a source of nonces, for messages that are the same in each run.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// FuzzVerify: whatever is received, nothing but the one message that was signed
// is more than a stranger's. The seeds are that message, whole and damaged.
func FuzzVerify(f *testing.F) {
	p := newPair(f)
	p.signer.Rand = zeros{}
	msg, _ := p.sign(f)
	f.Add(msg)
	f.Add(append(bytes.Clone(msg), "GET / HTTP/1.1\r\n"...))
	f.Add(request(f))
	for n := 0; n < len(msg); n += 3 {
		b := bytes.Clone(msg)
		b[n]++
		f.Add(b)
		f.Add(msg[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := verify(p.restarted(), p.keys, b)
		switch {
		case r.Key == nil && (r.Verdict == Refused || r.Verdict == Absent) && r.Nonce == (Nonce{}):
		case r.Key == p.signer.Identity && bytes.HasPrefix(b, msg):
		default:
			t.Fatalf("%+v", r)
		}
	})
}

// FuzzMutation: any change of a signed message is refused.
func FuzzMutation(f *testing.F) {
	p := newPair(f)
	f.Add([]byte("x"), uint16(0), uint16(0), uint16(0))
	f.Add([]byte{}, uint16(40), uint16(1), uint16(0))
	f.Add([]byte{202, 1, 0, 0}, uint16(68), uint16(0), uint16(18))
	f.Add([]byte{202, 1, 0, 0}, uint16(24), uint16(0), uint16(18))
	f.Fuzz(func(t *testing.T, insert []byte, at, remove, words uint16) {
		msg, _ := p.sign(t)
		from := int(at) % (len(msg) + 1)
		to := min(len(msg), from+int(remove)%8)
		b := bytes.Join([][]byte{msg[:from], insert, msg[to:]}, nil)
		if words != 0 && len(b) > 1 {
			b[1] = byte(words)
		}
		changed := !bytes.HasPrefix(b, msg)
		if r := p.verify(b); (r.Key == nil) != changed {
			t.Fatalf("%x instead of %x: %+v", b, msg, r)
		}
	})
}

// FuzzCheck: whatever is received, nothing but the one answer is believed.
func FuzzCheck(f *testing.F) {
	p := newPair(f)
	p.signer.Rand = zeros{}
	msg, nonce := p.sign(f)
	r := p.verify(msg)
	success, _ := r.AppendProof(convert.AppendSuccess(nil))
	wrong, _ := p.verifier.AppendWrongTime(nil, r)
	for _, b := range [][]byte{success, wrong, msg} {
		f.Add(b)
		for n := 0; n < len(b); n += 3 {
			c := bytes.Clone(b)
			c[n]++
			f.Add(c)
			f.Add(b[:n])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := Unproven
		if bytes.HasPrefix(b, success) {
			want = Proven
		} else if bytes.HasPrefix(b, wrong) {
			want = Retry
		}
		if got := p.check(b, nonce); got != want || p.signer.Offset() != 0 {
			t.Fatalf("%v, want %v; clock turned by %v", got, want, p.signer.Offset())
		}
	})
}

// FuzzRestore: a file with a right checksum but any content is taken or leaves
// no trace, and what was taken can be saved.
func FuzzRestore(f *testing.F) {
	p := newPair(f)
	f.Add([]byte(snapshotMagic))
	add := func() {
		b := p.verifier.snapshot()
		f.Add(b[:len(b)-sha256.Size])
		f.Add(b[:len(b)-sha256.Size-8])
	}
	msgs := [][]byte{}
	for range 20 {
		msg, _ := p.sign(f)
		msgs = append(msgs, msg)
		p.verify(msg)
	}
	add()
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		v := p.restarted()
		before := v.cache
		if err := v.restore(append(bytes.Clone(b), sum[:]...)); err != nil {
			if v.cache != before {
				t.Fatal("half taken")
			}
			return
		}
		verify(v, p.keys, msgs[0])
		again := p.restarted()
		if err := again.restore(v.snapshot()); err != nil {
			t.Fatalf("saved again: %v", err)
		}
	})
}
