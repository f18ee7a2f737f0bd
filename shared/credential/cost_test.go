package credential

import (
	"bytes"
	"encoding/binary"
	"sort"
	"testing"
	"time"

	"tandem/shared/convert"
)

func TestNoAllocations(t *testing.T) {
	p := newPair(t)
	v := NewVerifier(0)
	v.clock.floor = 0
	p.signer.Now = nil
	base := request(t)
	buf, out := make([]byte, 0, convert.MaxMessage), make([]byte, 0, convert.MaxMessage)
	var m convert.Message
	var nonce Nonce
	round := func() {
		b, n, err := p.signer.Append(append(buf[:0], base...))
		if err != nil {
			t.Fatal(err)
		}
		nonce = n
		m.Parse(b, convert.FromClient)
		r := v.Verify(p.keys, b, &m)
		if r.Verdict != Accepted {
			t.Fatal(r.Verdict)
		}
		if out, err = r.AppendProof(convert.AppendSuccess(out[:0])); err != nil {
			t.Fatal(err)
		}
		m.Parse(out, convert.FromConverter)
		if p.signer.Check(out, &m, nonce) != Proven {
			t.Fatal("unproven")
		}
		if out, err = v.AppendWrongTime(out[:0], r); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(2000, round); n != 0 {
		t.Errorf("%v allocations for request, verdict, proof and check", n)
	}
}

// An unknown key takes as long as a wrong tag. Both are measured in turn, in
// batches, and the medians compared, so that other load on the machine meets
// both alike.
func TestUnknownKeyTakesAsLong(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	unknown, wrong := bytes.Clone(msg), bytes.Clone(msg)
	unknown[len(msg)-Len+atID]++
	wrong[len(wrong)-1]++
	for range 1000 {
		i := NewIdentity(NewKey())
		p.keys[i.ID()] = i
	}
	const batch, rounds = 16, 4000
	var m convert.Message
	measure := func(b []byte) time.Duration {
		m.Parse(b, convert.FromClient)
		start := time.Now()
		for range batch {
			p.verifier.Verify(p.keys, b, &m)
		}
		return time.Since(start)
	}
	median := func(d []time.Duration) time.Duration {
		sort.Slice(d, func(i, j int) bool { return d[i] < d[j] })
		return d[len(d)/2]
	}
	var ratio float64
	for range 5 { // a machine in trouble gets another chance, a real difference stays
		var a, b []time.Duration
		for i := range rounds {
			if i%2 == 0 {
				a, b = append(a, measure(unknown)), append(b, measure(wrong))
			} else {
				b, a = append(b, measure(wrong)), append(a, measure(unknown))
			}
		}
		ma, mb := median(a), median(b)
		ratio = float64(ma) / float64(mb)
		t.Logf("unknown key %v, wrong tag %v, ratio %.3f", ma/batch, mb/batch, ratio)
		if ratio > 0.9 && ratio < 1.1 {
			return
		}
	}
	t.Errorf("unknown key takes %.2f times as long as a wrong tag", ratio)
}

// BenchmarkVerify is what one new connection costs the converter: parse, tag,
// time and a nonce that is not known yet. The tag is made right outside the
// clock.
func BenchmarkVerify(b *testing.B) {
	p := newPair(b)
	v := NewVerifier(1 << 25) // room for them all in one slice
	v.clock.floor = 0
	p.signer.Now = nil
	msgs := make([][]byte, 4096)
	var m convert.Message
	b.ReportAllocs()
	for n := 0; n < b.N; {
		b.StopTimer()
		for i := range msgs {
			msgs[i], _, _ = p.signer.Append(append(msgs[i][:0], request(b)...))
		}
		b.StartTimer()
		for i := 0; i < len(msgs) && n < b.N; i, n = i+1, n+1 {
			size, _ := m.Parse(msgs[i], convert.FromClient)
			if r := v.Verify(p.keys, msgs[i][:size], &m); r.Verdict != Accepted {
				b.Fatal(r.Verdict)
			}
		}
	}
}

// BenchmarkConnection adds the proof.
func BenchmarkConnection(b *testing.B) {
	p := newPair(b)
	v := NewVerifier(1 << 25)
	v.clock.floor = 0
	p.signer.Now = nil
	buf := make([]byte, 0, convert.MaxMessage)
	out := make([]byte, 0, convert.MaxMessage)
	i := p.signer.Identity
	var m convert.Message
	msg, _ := p.sign(b)
	b.ReportAllocs()
	for n := range b.N {
		// Signing is a part of this: one HMAC more than the converter needs.
		buf = append(buf[:0], msg...)
		at := len(buf) - Len
		binary.BigEndian.PutUint64(buf[at+atNonce:], uint64(n))
		tag := i.macs().credential.tag(nil, buf[:at+atTag])
		copy(buf[at+atTag:], tag[:])
		m.Parse(buf, convert.FromClient)
		r := v.Verify(p.keys, buf, &m)
		if r.Verdict != Accepted {
			b.Fatal(r.Verdict)
		}
		out, _ = r.AppendProof(convert.AppendSuccess(out[:0]))
	}
}

// BenchmarkStranger is what an unknown key costs.
func BenchmarkStranger(b *testing.B) {
	p := newPair(b)
	msg, _ := p.sign(b)
	var m convert.Message
	b.ReportAllocs()
	for b.Loop() {
		m.Parse(msg, convert.FromClient)
		p.verifier.Verify(keyring(nil), msg, &m)
	}
}

// BenchmarkSign is what a request costs the client, without its nonce.
func BenchmarkSign(b *testing.B) {
	p := newPair(b)
	base, buf := request(b), make([]byte, 0, convert.MaxMessage)
	b.ReportAllocs()
	for b.Loop() {
		p.signer.Append(append(buf[:0], base...))
	}
}

func BenchmarkNonceParallel(b *testing.B) {
	c := newCache(1 << 24)
	var next [64]struct {
		n uint64
		_ [7]uint64
	}
	ids := make(chan int, len(next))
	for i := range next {
		ids <- i
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		me := <-ids
		for pb.Next() {
			next[me].n++
			c.add(KeyID{byte(me)}, number(next[me].n), int64(next[me].n%slices)*sliceLen)
		}
	})
}
