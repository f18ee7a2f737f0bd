package credential

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tandem/shared/convert"
)

// example is a worked example of docs/protocol.md: the code block below its
// heading, whose lines start with bytes in hexadecimal and may go on with a
// remark behind two spaces.
func example(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("no section %q", heading)
	}
	var out []byte
	for line := range strings.Lines(section) {
		text, code := strings.CutPrefix(line, "    ")
		if !code {
			if len(out) > 0 {
				break
			}
			continue
		}
		text, _, _ = strings.Cut(strings.TrimSpace(text), "  ")
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatalf("%q: line %q: %v", heading, line, err)
		}
		out = append(out, b...)
	}
	return dump(out)
}

// dump is b in words.
func dump(b []byte) string {
	var s strings.Builder
	for i := 0; i < len(b); i += 4 {
		fmt.Fprintf(&s, "% x\n", b[i:min(i+4, len(b))])
	}
	return s.String()
}

// The bytes in the documentation are those that the code writes.
func TestDocumentation(t *testing.T) {
	p := newPair(t)
	p.signer.Rand = counter(0xb0)
	msg, nonce := p.sign(t)
	r := p.verify(msg)
	proof, err := r.AppendProof(convert.AppendSuccess(nil))
	if err != nil {
		t.Fatal(err)
	}
	p.clock.advance(10 * time.Minute)
	late := p.verify(msg)
	wrong, err := p.verifier.AppendWrongTime(nil, late)
	if err != nil || late.Verdict != Stale {
		t.Fatal(late.Verdict, err)
	}
	hold := convert.Message{Info: true, Private: []convert.Raw{{Type: TypeHold}}}
	held, err := hold.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if held, _, err = p.signer.Append(held); err != nil {
		t.Fatal(err)
	}
	for heading, b := range map[string][]byte{
		"Example: a request with a Credential": msg,
		"Example: success with a Proof":        proof,
		"Example: Error 192":                   wrong,
		"Example: a connection to be held":     held,
	} {
		if got, want := example(t, heading), dump(b); got != want {
			t.Errorf("%q says\n%sthe code says\n%s", heading, got, want)
		}
	}
	if p.check(proof, nonce) != Proven || p.check(wrong, nonce) != Retry {
		t.Error("the examples prove nothing")
	}
}

// counter is a source of nonces that counts.
type counter byte

func (c counter) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c) + byte(i)
	}
	return len(b), nil
}
