package pairing

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tandem/shared/credential"
)

var equate = cmp.Options{cmpopts.EquateComparable(netip.Addr{})}

func addrs(s ...string) (out []netip.Addr) {
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// example is a line whose text never changes.
func example(tb testing.TB) Line {
	tb.Helper()
	b := make([]byte, credential.KeyLen)
	for i := range b {
		b[i] = byte(i)
	}
	key, err := credential.KeyFrom(b)
	if err != nil {
		tb.Fatal(err)
	}
	return Line{ID: credential.KeyID{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7}, Key: key,
		Client: "home", Port: 5124, Addresses: addrs("203.0.113.5", "2001:db8::5")}
}

const exampleText = "tandem://AQBNoKGio6SlpqcAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHxQEO3GBGhvbWUCBMsAcQUGIAENuAAAAAAAAAAAAAAABeZF8-oZmU"

// examples are lines of all kinds and lengths.
func examples(tb testing.TB) map[string]Line {
	with := func(change func(l *Line)) Line {
		l := example(tb)
		change(&l)
		return l
	}
	eight := func() (out []netip.Addr) {
		a := netip.MustParseAddr("2001:db8:1234:5678:9abc:def0:1234:5678")
		for range MaxAddresses {
			out = append(out, a)
			a = a.Next()
		}
		return out
	}()
	host := strings.Repeat(strings.Repeat("a", 62)+".", 4) + "c"
	return map[string]Line{
		"two addresses":   example(tb),
		"one address":     with(func(l *Line) { l.Addresses = addrs("192.0.2.1") }),
		"ipv6":            with(func(l *Line) { l.Addresses = addrs("2001:db8::1") }),
		"eight addresses": with(func(l *Line) { l.Addresses = eight }),
		"host name":       with(func(l *Line) { l.Addresses, l.Host = nil, "tandem.example.net" }),
		"shortest":        with(func(l *Line) { l.Addresses, l.Host, l.Client = nil, "c", "x" }),
		"longest":         with(func(l *Line) { l.Addresses, l.Host, l.Client = nil, host, strings.Repeat("x", MaxName) }),
		"port":            with(func(l *Line) { l.Port = 65535 }),
		"name":            with(func(l *Line) { l.Client = "Ab-1.c_2" }),
	}
}

func TestRoundTrip(t *testing.T) {
	for name, l := range examples(t) {
		text, err := l.Encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(text) > MaxLen || name == "longest" && len(text) != MaxLen {
			t.Errorf("%s: %d characters, at most %d", name, len(text), MaxLen)
		}
		for _, s := range []string{text, " " + text + "\r\n", "\n" + text} {
			got, err := Parse(s)
			if diff := cmp.Diff(l, got, equate); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
	}
	// All lengths, and so all sizes of the last group.
	for n := 1; n <= MaxName; n++ {
		l := example(t)
		l.Client = strings.Repeat("n", n)
		text, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(text); err != nil || got.Client != l.Client {
			t.Errorf("name of %d: %v", n, err)
		}
	}
}

func TestText(t *testing.T) {
	l := example(t)
	got, err := l.Encode()
	if err != nil || got != exampleText {
		t.Errorf("got  %s, %v\nwant %s", got, err, exampleText)
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := map[string]func(l *Line){
		"no key":                             func(l *Line) { l.Key = credential.Key{} },
		"port 0":                             func(l *Line) { l.Port = 0 },
		"9 addresses":                        func(l *Line) { l.Addresses = make([]netip.Addr, 9) },
		"either addresses or a host name":    func(l *Line) { l.Addresses = nil },
		"either addresses or a host name ":   func(l *Line) { l.Host = "example.net" },
		`"192.0.2.1" is given twice`:         func(l *Line) { l.Addresses = addrs("192.0.2.1", "2001:db8::1", "192.0.2.1") },
		`"0.0.0.0" is not one of a host`:     func(l *Line) { l.Addresses = addrs("0.0.0.0") },
		`"ff02::1" is not one of a host`:     func(l *Line) { l.Addresses = addrs("ff02::1") },
		"not one of a host":                  func(l *Line) { l.Addresses = []netip.Addr{{}} },
		`"fe80::1%eth0": without a zone`:     func(l *Line) { l.Addresses = addrs("fe80::1%eth0") },
		"and IPv4 as such":                   func(l *Line) { l.Addresses = addrs("::ffff:192.0.2.1") },
		`client name ""`:                     func(l *Line) { l.Client = "" },
		`client name "a b"`:                  func(l *Line) { l.Client = "a b" },
		`client name "ä"`:                    func(l *Line) { l.Client = "ä" },
		"client name ":                       func(l *Line) { l.Client = strings.Repeat("x", MaxName+1) },
		`"192.0.2.1" is not a host name`:     func(l *Line) { l.Addresses, l.Host = nil, "192.0.2.1" },
		`"example.net." is not a host name`:  func(l *Line) { l.Addresses, l.Host = nil, "example.net." },
		`"a..b" is not a host name`:          func(l *Line) { l.Addresses, l.Host = nil, "a..b" },
		`"-a.b" is not a host name`:          func(l *Line) { l.Addresses, l.Host = nil, "-a.b" },
		`"a-.b" is not a host name`:          func(l *Line) { l.Addresses, l.Host = nil, "a-.b" },
		`"a b" is not a host name`:           func(l *Line) { l.Addresses, l.Host = nil, "a b" },
		"is not a host name":                 func(l *Line) { l.Addresses, l.Host = nil, strings.Repeat("a.", 130)+"b" },
		`…" is not a host name`:              func(l *Line) { l.Addresses, l.Host = nil, strings.Repeat("a", 64)+".net" },
		`"2001:db8::1" is not a host name`:   func(l *Line) { l.Addresses, l.Host = nil, "2001:db8::1" },
		`"example.net\n" is not a host name`: func(l *Line) { l.Addresses, l.Host = nil, "example.net\n" },
	}
	for want, change := range tests {
		l := example(t)
		change(&l)
		text, err := l.Encode()
		if err == nil || text != "" || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%q, %v, want %q", text, err, want)
		}
	}
}

// what is the message and position of Parse's error, which must not quote the
// line.
func what(t *testing.T, text string) (string, int) {
	t.Helper()
	l, err := Parse(text)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%q: %v", text, err)
	}
	if !l.Key.IsZero() || l.Client != "" {
		t.Errorf("%q: half a line beside the error", text)
	}
	return e.What, e.Char
}

// Each wrong character is named, whatever stands there instead.
func TestOneCharacterWrong(t *testing.T) {
	for name, l := range examples(t) {
		text, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		for i := len(Scheme); i < len(text); i++ {
			for j := range alphabet {
				if alphabet[j] == text[i] || len(text) > 150 && j%9 != 0 {
					continue
				}
				got, char := what(t, text[:i]+alphabet[j:j+1]+text[i+1:])
				if got != fmt.Sprintf("character %d is wrong", i+1) || char != i+1 {
					t.Fatalf("%s, character %d: %q, %d", name, i+1, got, char)
				}
			}
			for _, bad := range []string{"+", "=", "/", ".", "'", "\x00", "ö", "\xff"} {
				want := fmt.Sprintf("character %d is wrong, only letters, digits, - and _ can be there", i+1)
				if got, char := what(t, text[:i]+bad+text[i+1:]+"x"); got != want || char != i+1 {
					t.Fatalf("%s, character %d %q: %q, %d", name, i+1, bad, got, char)
				}
			}
		}
	}
}

func TestCutOff(t *testing.T) {
	for name, l := range examples(t) {
		text, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n < len(text); n++ {
			got, char := what(t, text[:n])
			want := "the line is cut off"
			if n >= len(Scheme)+groupLen {
				want = fmt.Sprintf("the line is cut off, it has %d of %d characters", n, len(text))
			}
			if got != want || char != n+1 {
				t.Errorf("%s, %d characters: %q, %d", name, n, got, char)
			}
		}
	}
}

func TestDamaged(t *testing.T) {
	text := exampleText
	at := func(n int) string { // another character for the n-th
		return text[:n-1] + string(alphabet[(strings.IndexByte(alphabet, text[n-1])+1)%64]) + text[n:]
	}
	both := func(a, b string) string {
		out := []byte(text)
		for i := range out {
			if a[i] != out[i] {
				out[i] = a[i]
			} else {
				out[i] = b[i]
			}
		}
		return string(out)
	}
	tests := map[string]struct {
		text string
		want string
	}{
		"nothing":            {"", "there is none"},
		"blank":              {" \n", "there is none"},
		"other scheme":       {"https://example.net/", `must start with "tandem://"`},
		"scheme in capitals": {"TANDEM" + text[6:], `must start with "tandem://"`},
		"quoted":             {"'" + text + "'", `must start with "tandem://"`},
		"scheme":             {"tandem:/", "the line is cut off"},
		"scheme alone":       {"tandem://", "the line is cut off"},
		"wrapped": {text[:80] + "\n" + text[80:],
			"character 81 is a space or the end of a line, the line must be in one piece"},
		"two groups":        {both(at(20), at(80)), "characters 20 and 80 are wrong"},
		"one character too": {text + "A", fmt.Sprintf("it is too long, 1 character from character %d on", len(text)+1)},
		"twice": {text + text[len(Scheme):], fmt.Sprintf("it is too long, %d characters from character %d on",
			len(text)-len(Scheme), len(text)+1)},
		"one missing":       {text[:30] + text[31:], "several characters are wrong, or some are missing, between character 10 and 72"},
		"two wrong":         {both(at(30), at(40)), "several characters are wrong, or some are missing, between character 10 and 72"},
		"neighbours change": {text[:35] + text[36:37] + text[35:36] + text[37:], "several characters are wrong, or some are missing, between character 10 and 72"},
		"capitals": {Scheme + strings.ToUpper(text[len(Scheme):]),
			"several characters are wrong, or some are missing, between character 10 and 72"},
	}
	for name, test := range tests {
		if got, _ := what(t, test.text); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// spell writes any content as a line.
func spell(content []byte) string {
	vals := []byte{}
	for i := 0; i < 8*len(content); i += 6 {
		var v byte
		for bit := i; bit < i+6; bit++ {
			v <<= 1
			if bit < 8*len(content) {
				v |= content[bit/8] >> (7 - bit%8) & 1
			}
		}
		vals = append(vals, v)
	}
	return spellValues(vals)
}

func spellValues(vals []byte) string {
	out := Scheme
	for len(vals) > 0 {
		n := min(groupData, len(vals))
		for _, v := range protect(append([]byte{}, vals[:n]...)) {
			out += alphabet[v : v+1]
		}
		vals = vals[n:]
	}
	return out
}

// A line that was not damaged but is not ours is refused all the same.
func TestForeignContent(t *testing.T) {
	l := example(t)
	good := l.content()
	if spell(good) != exampleText {
		t.Fatal("spell does not spell")
	}
	sealed := func(change func(b []byte) []byte) string {
		b := change(append([]byte{}, good[:len(good)-sumLen]...))
		b[1], b[2] = byte((len(b)+sumLen)>>8), byte(len(b)+sumLen)
		return spell(append(b, checksum(b)...))
	}
	set := func(at int, v ...byte) string {
		return sealed(func(b []byte) []byte { copy(b[at:], v); return b })
	}
	name := headLen + 8 + credential.KeyLen + 2
	tests := map[string]struct{ text, want string }{
		"version 2": {set(0, 2), "of version 2, and only version 1 is known here"},
		"no key":    {set(headLen+8, make([]byte, credential.KeyLen)...), "not made by"},
		"port 0":    {set(name-2, 0, 0), "port 0"},
		"name":      {set(name+1, ' '), "client name"},
		"name long": {set(name, 200), "not made by"},
		"no places": {sealed(func(b []byte) []byte { b[name+5] = 0; return append(b[:name+6], 0, 0) }), "not made by"},
		"kind":      {set(name+6, 5), "not made by"},
		"fewer":     {set(name+5, 1), "not made by"},
		"more":      {set(name+5, 3), "not made by"},
		"many":      {set(name+5, 255), "not made by"},
		"mapped":    {set(name+12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255), "IPv4 as such"},
		"trailing":  {sealed(func(b []byte) []byte { return append(b, 0) }), "not made by"},
		"sum":       {spell(append(append([]byte{}, good[:len(good)-1]...), good[len(good)-1]^1)), "the checksum is wrong"},
	}
	for what, test := range tests {
		if l, err := Parse(test.text); err == nil || !strings.Contains(err.Error(), test.want) || l.Client != "" {
			t.Errorf("%s: %+v, %v, want %q", what, l, err, test.want)
		}
	}
	// Bits left over at the end.
	l.Client = "homes"
	l.Addresses = l.Addresses[:1]
	for n := 1; n < 4; n++ {
		l.Client = strings.Repeat("h", n)
		b := l.content()
		text := spell(b)
		if len(b)%3 == 0 {
			continue
		}
		var data []byte
		for body := values(text[len(Scheme):]); len(body) > 0; {
			k := min(groupLen, len(body))
			data = append(data, body[:k-groupChecks]...)
			body = body[k:]
		}
		data[len(data)-1] |= 1
		if _, err := Parse(spellValues(data)); err == nil {
			t.Errorf("%d bytes: two spellings", len(b))
		}
	}
}

func TestPrintingHidesTheKey(t *testing.T) {
	l := example(t)
	var out string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%c", "%d"} {
		for _, x := range []any{l, &l, []Line{l}} {
			out += fmt.Sprintf(verb, x)
		}
	}
	for _, s := range []string{"0 1 2 3 4", "0x0, 0x1, 0x2", "0001020304", "AAECAwQF"} {
		if strings.Contains(out, s) {
			t.Errorf("%q in %s", s, out)
		}
	}
}

// FuzzParse: what is accepted is spelt as Encode spells it, and errors do not
// quote the line.
func FuzzParse(f *testing.F) {
	for _, l := range examples(f) {
		text, err := l.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
		f.Add(text[:40] + text[41:])
		f.Add(strings.ToUpper(text))
	}
	f.Add("tandem://")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		if err != nil {
			if !l.Key.IsZero() {
				t.Fatal("a key beside the error")
			}
			if e := (*Error)(nil); errors.As(err, &e) && (e.Char < 0 || e.Char > len(text)+1) {
				t.Fatalf("%v: character %d of %d", err, e.Char, len(text))
			}
			return
		}
		if again, err := l.Encode(); err != nil || again != strings.TrimSpace(text) {
			t.Fatalf("%q: again %q, %v", text, again, err)
		}
	})
}

// FuzzContent: the same for what is inside, with checks that are right.
func FuzzContent(f *testing.F) {
	for _, l := range examples(f) {
		b := l.content()
		f.Add(b[:len(b)-sumLen])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headLen || len(b) > maxContent {
			return
		}
		b = append([]byte{}, b...)
		b[1], b[2] = byte((len(b)+sumLen)>>8), byte(len(b)+sumLen)
		text := spell(append(b, checksum(b)...))
		l, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := l.Encode(); err != nil || again != text {
			t.Fatalf("%x: again %q, %v", b, again, err)
		}
	})
}
