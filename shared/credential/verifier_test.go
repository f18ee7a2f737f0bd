package credential

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tandem/shared/convert"
)

func TestAcceptedOnceAndProven(t *testing.T) {
	p := newPair(t)
	msg, nonce := p.sign(t)
	r := p.verify(append(bytes.Clone(msg), "GET / HTTP/1.1\r\n"...))
	want := Result{Verdict: Accepted, Key: p.signer.Identity, Nonce: nonce}
	if r != want {
		t.Fatalf("got %+v, want %+v", r, want)
	}
	reply, err := r.AppendProof(convert.AppendSuccess(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.check(append(reply, "HTTP/1.1 200 OK\r\n"...), nonce); got != Proven {
		t.Errorf("the answer is %v", got)
	}
	if got := p.verify(msg).Verdict; got != Replayed {
		t.Errorf("second time: %v", got)
	}
}

// The hold of a warm connection and the Connect that follows on it.
func TestTwoMessagesOnOneConnection(t *testing.T) {
	p := newPair(t)
	hold := convert.Message{Info: true, Private: []convert.Raw{{Type: TypeHold}}}
	first, err := hold.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	first, nonce, err := p.signer.Append(first)
	if err != nil {
		t.Fatal(err)
	}
	var m convert.Message
	if _, err := m.Parse(first, convert.FromClient); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Lookup(TypeHold); !ok || !m.Info {
		t.Errorf("hold or info lost: %+v", m)
	}
	r := p.verify(first)
	answer := convert.Message{Supported: []byte{convert.KindMPTCP}}
	reply, _ := answer.Append(nil)
	reply, err = r.AppendProof(reply)
	if r.Verdict != Accepted || err != nil || p.check(reply, nonce) != Proven {
		t.Errorf("hold: %v, %v", r.Verdict, err)
	}
	second, _ := p.sign(t)
	if r := p.verify(second); r.Verdict != Accepted {
		t.Errorf("connect: %v", r.Verdict)
	}
}

func TestEveryBitFlipped(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	long := append(bytes.Clone(msg), make([]byte, convert.MaxMessage)...)
	for bit := range 8 * len(msg) {
		b := bytes.Clone(long)
		b[bit/8] ^= 1 << (bit % 8)
		if r := p.verify(b); r.Verdict != Absent { // another type of TLV
			stranger(t, "bit", r)
		}
		if r := p.verify(b[:len(msg)]); r.Verdict != Absent {
			stranger(t, "bit, cut", r)
		}
	}
	if r := p.verify(msg); r.Verdict != Accepted {
		t.Errorf("unchanged, afterwards: %v", r.Verdict)
	}
}

func TestEveryBitOfAnAnswerFlipped(t *testing.T) {
	p := newPair(t)
	msg, nonce := p.sign(t)
	r := p.verify(msg)
	refusal := convert.AppendWait(nil, convert.ResourceExceeded, time.Minute)
	reply, err := r.AppendProof(refusal)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(reply) {
		b := append(bytes.Clone(reply), make([]byte, convert.MaxMessage)...)
		b[bit/8] ^= 1 << (bit % 8)
		if got := p.check(b, nonce); got != Unproven {
			t.Errorf("bit %d: %v", bit, got)
		}
	}
	for bit := range 8 * len(nonce) {
		other := nonce
		other[bit/8] ^= 1 << (bit % 8)
		if got := p.check(reply, other); got != Unproven {
			t.Errorf("nonce bit %d: %v", bit, got)
		}
	}
	for n := range reply {
		if got := p.check(reply[:n], nonce); got != Unproven {
			t.Errorf("%d bytes: %v", n, got)
		}
	}
	if got := p.check(reply, nonce); got != Proven {
		t.Errorf("unchanged: %v", got)
	}
}

func TestShape(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	word := []byte{byte(TypeHold), 1, 0, 0}
	grown := func(b []byte, more ...byte) []byte {
		b = append(bytes.Clone(b), more...)
		b[1] = byte(len(b) / 4)
		return b
	}
	lengthened := grown(msg, 0, 0, 0, 0)
	lengthened[len(msg)-Len+1]++
	shortened := bytes.Clone(msg[:len(msg)-4])
	shortened[1]--
	shortened[len(msg)-Len+1]--
	twice := grown(msg, msg[len(msg)-Len:]...)
	early := append(bytes.Clone(msg[:4]), append(bytes.Clone(msg[len(msg)-Len:]), msg[4:len(msg)-Len]...)...)
	format := bytes.Clone(msg)
	format[len(msg)-Len+atFormat] = 2
	tests := map[string][]byte{
		"tlv behind":               grown(msg, word...),
		"tlv behind, right tag":    resign(grown(msg, word...), p.signer.Identity),
		"longer":                   lengthened,
		"shorter":                  shortened,
		"twice":                    twice,
		"first instead of last":    early,
		"other format":             format,
		"other format, right tag":  resign(format, p.signer.Identity),
		"longer, tag in the right": resign(lengthened, p.signer.Identity),
	}
	for name, b := range tests {
		stranger(t, name, p.verify(b))
	}
	for n := range msg {
		if r := p.verify(msg[:n]); r != (Result{}) && r.Verdict != Absent {
			t.Errorf("%d bytes: %+v", n, r)
		}
	}
	if r := p.verify(request(t)); r != (Result{Verdict: Absent}) {
		t.Errorf("no credential: %+v", r)
	}
	if r := p.verify(msg); r.Verdict != Accepted {
		t.Errorf("unchanged, afterwards: %v", r.Verdict)
	}
}

// What the RFC makes an Error of can still be authenticated, and the Error
// proven.
func TestSyntaxErrorFromAClient(t *testing.T) {
	p := newPair(t)
	bad, err := convert.AppendConnect(nil, netip.MustParseAddrPort("127.0.0.1:80"))
	if err != nil {
		t.Fatal(err)
	}
	bad, nonce, err := p.signer.Append(bad)
	if err != nil {
		t.Fatal(err)
	}
	r := p.verify(bad)
	reply := convert.ErrorMessage(convert.MalformedMessage, convert.EchoValue(nil, bad, ProofLen))
	b, err := reply.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = r.AppendProof(b); err != nil || r.Verdict != Accepted || p.check(b, nonce) != Proven {
		t.Errorf("%v, %v", r.Verdict, err)
	}
}

func TestUnknownKeyIsAWrongTag(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	at := len(msg) - Len
	unknown := bytes.Clone(msg)
	unknown[at+atID]++
	stranger(t, "unknown key", p.verify(unknown))
	stranger(t, "unknown key, tag of the real one", p.verify(resign(unknown, p.signer.Identity)))
	stranger(t, "unknown key, tag of the dummy", p.verify(resign(unknown, p.verifier.dummy)))
	stranger(t, "known id, tag of another key", p.verify(resign(msg, NewIdentity(NewKey()))))
	wrong := bytes.Clone(msg)
	wrong[len(wrong)-1]++
	stranger(t, "wrong tag", p.verify(wrong))
}

func TestReflection(t *testing.T) {
	p := newPair(t)
	msg, nonce := p.sign(t)
	i := p.signer.Identity
	// A proof for the same bytes, with an empty nonce, is another tag.
	body := msg[:len(msg)-tagLen]
	if i.macs().credential.tag(nil, body) == i.macs().proof.tag(nil, body) {
		t.Error("both directions have the same tag")
	}
	if got := p.check(msg, nonce); got != Unproven {
		t.Errorf("own request as the answer: %v", got)
	}
	r := p.verify(msg)
	reply, _ := r.AppendProof(convert.AppendSuccess(nil))
	if r := p.verify(reply); r != (Result{Verdict: Absent}) {
		t.Errorf("answer as a request: %+v", r)
	}
}

func TestRotation(t *testing.T) {
	p := newPair(t)
	next := NewIdentity(NewKey())
	p.keys[next.ID()] = next
	for _, i := range []*Identity{p.signer.Identity, next} {
		s := &Signer{Identity: i, Now: p.signer.Now}
		b, _, err := s.Append(request(t))
		if err != nil {
			t.Fatal(err)
		}
		if r := p.verify(b); r.Verdict != Accepted || r.Key != i {
			t.Errorf("%v: %+v", i, r)
		}
	}
}

func TestWindow(t *testing.T) {
	tests := map[string]struct {
		ahead time.Duration
		want  Verdict
	}{
		"right":          {0, Accepted},
		"oldest":         {-50 * time.Second, Accepted}, // the floor: 10 s behind the start, a minute ago
		"below floor":    {-50*time.Second - time.Millisecond, Stale},
		"earliest":       {MaxAhead, Accepted},
		"too early":      {MaxAhead + time.Millisecond, Stale},
		"10 years early": {10 * 365 * 24 * time.Hour, Stale},
		"10 years late":  {-10 * 365 * 24 * time.Hour, Stale},
	}
	for name, test := range tests {
		p := newPair(t)
		p.signer.Now = func() time.Time { return noon.Add(test.ahead) }
		msg, _ := p.sign(t)
		if r := p.verify(msg); r.Verdict != test.want || r.Ahead != test.ahead.Milliseconds() || r.Key == nil {
			t.Errorf("%s: %+v, want %v", name, r, test.want)
		}
	}
	p := newPair(t)
	p.clock.advance(time.Hour)
	for ahead, want := range map[time.Duration]Verdict{-MaxAge: Accepted, -MaxAge - time.Millisecond: Stale} {
		p.signer.Now = func() time.Time { return time.UnixMilli(p.clock.wall).Add(ahead) }
		msg, _ := p.sign(t)
		if r := p.verify(msg); r.Verdict != want {
			t.Errorf("an hour on, %v: %v, want %v", ahead, r.Verdict, want)
		}
	}
	for _, bits := range []uint64{0, 1, 1 << 62, 1<<62 + 1, math.MaxInt64, 1 << 63, math.MaxUint64} {
		msg, _ := p.sign(t)
		binary.BigEndian.PutUint64(msg[len(msg)-Len+atTime:], bits)
		if r := p.verify(resign(msg, p.signer.Identity)); r.Verdict != Stale {
			t.Errorf("time %#x: %v", bits, r.Verdict)
		}
	}
}

// An expired credential stays refused, however often it was accepted before.
func TestExpired(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	if r := p.verify(msg); r.Verdict != Accepted {
		t.Fatal(r.Verdict)
	}
	for age := range 400 {
		want := Replayed
		if time.Duration(age)*time.Second > MaxAge {
			want = Stale
		}
		if r := p.verify(msg); r.Verdict != want {
			t.Errorf("%d s old: %v, want %v", age, r.Verdict, want)
		}
		p.clock.advance(time.Second)
		// Others go on, so that slices are taken over.
		other, _ := p.sign(t)
		if r := p.verify(other); r.Verdict != Accepted {
			t.Fatalf("%d s: %v", age, r.Verdict)
		}
	}
}

func TestReplayedConcurrently(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	var wg sync.WaitGroup
	var verdicts [Accepted + 1]atomic.Int32
	start := make(chan struct{})
	for range 1000 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			verdicts[p.verify(msg).Verdict].Add(1)
		}()
	}
	close(start)
	wg.Wait()
	if a, r := verdicts[Accepted].Load(), verdicts[Replayed].Load(); a != 1 || r != 999 {
		t.Errorf("%d accepted, %d replayed", a, r)
	}
}

// Only what is accepted is remembered.
func TestStrangersAreForgotten(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	forged := bytes.Clone(msg)
	forged[len(forged)-1] ^= 1
	stranger(t, "forged", p.verify(forged))
	for i := range p.verifier.cache.shards {
		for j := range p.verifier.cache.shards[i].slices {
			if l := &p.verifier.cache.shards[i].slices[j]; l.slots != nil {
				t.Fatalf("shard %d holds %+v", i, l)
			}
		}
	}
	if r := p.verify(msg); r.Verdict != Accepted {
		t.Errorf("the real one: %v", r.Verdict)
	}
}

func TestAppendProofToWhat(t *testing.T) {
	p := newPair(t)
	msg, _ := p.sign(t)
	r := p.verify(msg)
	if b, err := (Result{}).AppendProof([]byte{1}); err == nil || len(b) != 1 {
		t.Errorf("stranger: %x, %v", b, err)
	}
	if b, err := p.verifier.AppendWrongTime([]byte{1}, Result{}); err == nil || len(b) != 1 {
		t.Errorf("stranger: %x, %v", b, err)
	}
	tests := map[string]struct {
		words int
		want  error
	}{
		"no room": {255 - 4, convert.ErrTooLong},
		"room":    {255 - 5, nil},
	}
	for name, test := range tests {
		b := make([]byte, 4*test.words)
		copy(b, convert.AppendSuccess(nil))
		b[1] = byte(test.words)
		got, err := r.AppendProof(b)
		if !errors.Is(err, test.want) || err != nil && len(got) != len(b) || err == nil && got[1] != 255 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if b, err := r.AppendProof([]byte("hello")); err == nil || len(b) != 5 {
		t.Errorf("not a message: %q, %v", b, err)
	}
	// AppendWrongTime appends to what is there already.
	b, err := p.verifier.AppendWrongTime([]byte("xyz"), r)
	if err != nil || len(b) != 3+36 || string(b[:3]) != "xyz" || b[4] != 9 {
		t.Errorf("behind others: %x, %v", b, err)
	}
}
