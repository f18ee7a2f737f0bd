package smalljson

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"
)

// nearly is how exactly numbers with a fraction are read.
var nearly = cmp.Comparer(func(a, b float64) bool {
	const smallest = 0x1p-1022 // below, floats have fewer digits
	return a == b || math.Abs(a-b) <= 2e-15*max(math.Abs(a), math.Abs(b), smallest)
})

// Numbers as people and reports have them are read as strconv reads them.
func TestFloats(t *testing.T) {
	for _, s := range []string{"0", "-0", "0.1", "1.5", "12.345", "-98.76", "0.000001", "1e-7", "123456789.012345", "1e21", "9007199254740991", "2.5e3"} {
		want, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := parseFloat(s); math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: got %v, want %v", s, got, want)
		}
	}
	for _, s := range []string{"1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "1e-400", "3.4028234663852886e38",
		"100000000000000000000000000000000000000000", "0." + strings.Repeat("0", 320) + "1e330", "18446744073709551615", "0e99999999999999999999"} {
		want, _ := strconv.ParseFloat(s, 64)
		if got := parseFloat(s); !cmp.Equal(got, want, nearly) {
			t.Errorf("%s: got %v, want %v", s, got, want)
		}
	}
	for _, s := range []string{"1e309", "1e400", "1e99999999999999999999"} {
		if got := parseFloat(s); !math.IsInf(got, 1) {
			t.Errorf("%s: got %v, want too much", s, got)
		}
	}
}

type Embedded struct {
	Inner string `json:"inner"`
	Both  int    `json:"-"`
}

type everything struct {
	Embedded
	Bool    bool              `json:"bool"`
	Int     int               `json:"int"`
	Int8    int8              `json:"int8,omitempty"`
	Int64   int64             `json:"int64"`
	Uint16  uint16            `json:"uint16"`
	Uint64  uint64            `json:"uint64"`
	Float   float64           `json:"float"`
	Float32 float32           `json:"float32"`
	Text    string            `json:"text,omitempty"`
	Plain   string            // no tag
	List    []string          `json:"list"`
	Nested  []inner           `json:"nested,omitempty"`
	Array   [2]int            `json:"array"`
	Map     map[string]int    `json:"map"`
	Maps    map[string]*inner `json:"maps,omitempty"`
	Pointer *inner            `json:"pointer"`
	Left    *string           `json:"left,omitempty"`
	Span    time.Duration     `json:"span"`
}

type hidden struct{ Shown int }

type inner struct {
	A string `json:"a"`
	B *int64 `json:"b,omitempty"`
}

// plain is encoding/json without HTML escapes.
func plain(t *testing.T, v any, indent string) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Random values come out as encoding/json writes them, and back as they were.
func TestAgainstEncodingJSON(t *testing.T) {
	check := func(v everything) bool {
		v.Both = 0
		one, err := Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain(t, v, ""), string(one)); diff != "" {
			t.Errorf("Marshal (-encoding/json +ours):\n%s", diff)
			return false
		}
		many, err := MarshalIndent(v)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain(t, v, "  "), string(many)); diff != "" {
			t.Errorf("MarshalIndent (-encoding/json +ours):\n%s", diff)
			return false
		}
		var ours, theirs everything
		if err := Unmarshal(many, &ours); err != nil {
			t.Errorf("Unmarshal: %v", err)
			return false
		}
		if err := json.Unmarshal(many, &theirs); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(theirs, ours, nearly); diff != "" {
			t.Errorf("Unmarshal (-encoding/json +ours):\n%s", diff)
			return false
		}
		return true
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	when := time.Date(2026, 11, 24, 1, 2, 3, 4000, time.UTC)
	for _, v := range []any{
		nil, true, "", "a<b>&\"\\\b\f\n\r\t\x01\u2028\u2029 ü \U0001f600", "bad \xff\xfe utf-8",
		0.0, math.Copysign(0, -1), 1e21, 1e20, 1e-6, 1e-7, 1e-10, 123456.789, float32(1e-7), float32(3.4e38),
		[]string(nil), []string{}, map[string]int(nil), map[string]any{}, []any{nil, 1, "x", []int{}, map[string]int{}},
		when, &when, []*time.Time{&when, nil}, netip.MustParseAddr("2001:db8::1"), [0]int{},
		struct {
			When *time.Time `json:"when,omitempty"`
			Addr netip.Addr `json:"addr,omitempty"`
			hidden
			alsoHidden int
		}{},
	} {
		got, err := Marshal(v)
		if err != nil {
			t.Errorf("%v: %v", v, err)
		}
		if want := plain(t, v, ""); string(got) != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
		got, _ = MarshalIndent(v)
		if want := plain(t, v, "  "); string(got) != want {
			t.Errorf("%v indented: got %s, want %s", v, got, want)
		}
	}
	if got, err := Marshal(map[string]any{"a": Raw(`{"b": 1}`)}); err != nil || string(got) != `{"a":{"b": 1}}` {
		t.Errorf("raw: %s, %v", got, err)
	}
	type self struct{ Self *self }
	loop := &self{}
	loop.Self = loop
	for _, v := range []any{[]byte("x"), map[int]string{}, make(chan int), func() {}, loop} {
		if got, err := Marshal(v); err == nil {
			t.Errorf("%T: wrote %s, want an error", v, got)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	var into struct {
		N uint8
		S string
		L []int
		O struct{}
		T time.Time
	}
	for _, text := range []string{
		``, ` `, `{`, `{"N"`, `{"N":`, `{"N":1`, `{"N":1,}`, `{N:1}`, `{"N":1}{}`, `[`, `"`, `"\`, `"\u12`, `"\x"`, "\"\n\"",
		`tru`, `nul`, `-`, `01`, `1.`, `1e`, `+1`, `.5`, `NaN`,
		`{"N":256}`, `{"N":-1}`, `{"N":1.5}`, `{"N":"1"}`, `{"S":1}`, `{"S":true}`, `{"L":{}}`, `{"L":["x"]}`, `{"O":[]}`, `{"T":"yesterday"}`,
		`{"skipped":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
	} {
		if err := Unmarshal([]byte(text), &into); err == nil {
			t.Errorf("%s: read, want an error", text)
		}
	}
	if err := Unmarshal([]byte(`{}`), into); err == nil {
		t.Error("read into a value that is no pointer")
	}
}

// FuzzRead: what encoding/json takes, Unmarshal takes, with the same result,
// and nothing else.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\ud83d","\"\\\/\b\f\n\r\t"],"b":{"c":null,"d":true,"e":false}}`,
		` [ ] `, `{ }`, `"\ud800\u0041"`, `"\udc00"`, "\"\xff\"", `1e400`, `-0`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var ours, theirs any
		err := Unmarshal(text, &ours)
		want := json.Unmarshal(text, &theirs)
		if want == nil && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) >= maxDepth {
			return // may be deeper than we go
		}
		if (err == nil) != (want == nil) {
			t.Fatalf("%q: %v, encoding/json: %v", text, err, want)
		}
		if err == nil {
			if diff := cmp.Diff(theirs, ours, nearly); diff != "" {
				t.Fatalf("%q (-encoding/json +ours):\n%s", text, diff)
			}
		}
	})
}
