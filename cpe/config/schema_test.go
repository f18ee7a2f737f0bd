package config

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var sectionTypes = map[string]func() any{
	"tandem":       func() any { return &rawMain{} },
	"concentrator": func() any { return &rawConcentrator{} },
	"wan":          func() any { return &rawWAN{} },
	"bypass":       func() any { return &rawBypass{} },
	"rule":         func() any { return &rawRule{} },
	"redirect":     func() any { return &rawRedirect{} },
}

// Every option that can be read is described, as what it is, and no other.
func TestSchemaIsComplete(t *testing.T) {
	schema := Describe()
	for typ, raw := range sectionTypes {
		known := fields(raw())
		for name, to := range known {
			o, ok := schema[typ][name]
			if _, isList := to.(*[]value); !ok || o.List != isList {
				t.Errorf("option %q of section %s: schema.go has %+v (found: %v), want a row with List = %v", name, typ, o, ok, isList)
			}
		}
		for name := range schema[typ] {
			if known[name] == nil {
				t.Errorf("schema.go describes option %q of section %s, which nothing reads", name, typ)
			}
		}
	}
	for typ := range schema {
		if sectionTypes[typ] == nil {
			t.Errorf("section type %q of schema.go: add it to sectionTypes in this test", typ)
		}
	}
}

// accepts says whether a file with this one option is refused because of it.
func accepts(typ, option, text string, isList bool) bool {
	word := "option"
	if isList {
		word = "list"
	}
	name := "one"
	if typ == "tandem" {
		name = "main"
	}
	_, err := Parse("tandem", strings.NewReader(fmt.Sprintf("config %s '%s'\n\t%s %s '%s'\n", typ, name, word, option, text)))
	return err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", option)+":")
}

// known returns the words that the parser takes for an option, in order.
func known(typ, option string) []string {
	section := typ
	if typ == "tandem" {
		section += " main"
	}
	_, err := Parse("tandem", strings.NewReader(fmt.Sprintf("config %s\n\toption %s nonsense\n", section, option)))
	_, words, _ := strings.Cut(err.Error(), `"nonsense" is not one of `)
	words, _, _ = strings.Cut(words, "\n")
	return slices.Sorted(slices.Values(strings.Split(words, ", ")))
}

// The parser takes exactly what the schema says it takes.
func TestSchemaIsTrue(t *testing.T) {
	for typ, options := range Describe() {
		for name, o := range options {
			check := func(text string, want bool) {
				t.Helper()
				if got := accepts(typ, name, text, o.List); got != want {
					t.Errorf("%s.%s = %q: accepted %v, the schema says %v", typ, name, text, got, want)
				}
			}
			for _, d := range o.Default {
				check(d, true)
			}
			switch o.Kind {
			case kindBool:
				for _, s := range []string{"0", "1", "on", "off", "yes", "no"} {
					check(s, true)
				}
				check("2", false)
			case kindChoice:
				for _, s := range o.Choices {
					check(s, true)
				}
				check("nonsense", false)
				if got, want := slices.Sorted(slices.Values(o.Choices)), known(typ, name); !slices.Equal(got, want) {
					t.Errorf("%s.%s: the choices are %q, the parser knows %q", typ, name, got, want)
				}
				if len(o.Default) > 0 && !slices.Contains(o.Choices, o.Default[0]) {
					t.Errorf("%s.%s: default %q is no choice", typ, name, o.Default[0])
				}
			case kindNumber:
				check(strconv.Itoa(*o.Min), true)
				check(strconv.Itoa(*o.Max), true)
				check(strconv.Itoa(*o.Min-1), false)
				check(strconv.Itoa(*o.Max+1), false)
				check("1.5", false)
			case kindPort:
				check("1", true)
				check("65535", true)
				check("0", false)
				check("65536", false)
			case kindPath:
				check("/"+strings.Repeat("x", *o.Max-1), true)
				check("/"+strings.Repeat("x", *o.Max), false)
			case kindDevice:
				check(strings.Repeat("x", *o.Max), true)
				check(strings.Repeat("x", *o.Max+1), false)
			case kindSize:
				check(strings.Repeat("9", *o.Max)+"T", true)
				check(strings.Repeat("9", *o.Max+1)+"M", false)
				check("0G", false)
			case kindCookie:
				check(strings.Repeat("ab", *o.Max), true)
				check(strings.Repeat("ab", *o.Max+4), false)
			}
		}
	}
}

// A file with all the schema's defaults for section tandem says nothing new.
func TestSchemaHasTheDefaults(t *testing.T) {
	text := "config tandem main\n"
	for name, o := range Describe()["tandem"] {
		word := "option"
		if o.List {
			word = "list"
		}
		for _, value := range o.Default {
			text += fmt.Sprintf("\t%s %s '%s'\n", word, name, value)
		}
	}
	got, err := Parse("tandem", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("-Default +schema:\n%s", diff)
	}
}

// Defaults of sections that may stand several times are those of the parser.
func TestSchemaDefaults(t *testing.T) {
	c, err := Parse("tandem", strings.NewReader("config concentrator 'c'\n\tlist address '192.0.2.1'\nconfig wan 'w'\n\toption device 'eth1'\n"))
	if err != nil {
		t.Fatal(err)
	}
	schema := Describe()
	if got, want := schema["concentrator"]["port"].Default[0], fmt.Sprint(c.Concentrators[0].Port); got != want {
		t.Errorf("concentrator.port: %s, the parser has %s", got, want)
	}
	if got, want := schema["wan"]["metered"].Default[0] == "1", c.WANs[0].Metered; got != want {
		t.Errorf("wan.metered: %v, the parser has %v", got, want)
	}
}

// texts are tried as the value of every option, so that the LuCI pages can be
// held against the daemon: testdata/verdicts.json says which it takes, and the
// tests of the pages compare.
func texts() []string {
	x := func(s string, n int) string { return strings.Repeat(s, n) }
	return append(strings.Fields(`0 1 -1 2 on yes TRUE 00 007 1.5 +5 5ms 99 100 101 10000 10001 1048576 1048577 99999999999 65535 65536
		80-90 90-80 80:90 80- 1-65536 80-90-100 192.0.2.1 192.0.2.256 192.0.02.1 0.0.0.0 255.255.255.255 224.0.0.1 239.1.1.1 240.0.0.1
		127.0.0.1 :: ::1 2001:db8::1 2001:db8:::1 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7 1::2::3 1:2:3:4:5:6:7:: fe80::1%eth0 ff02::1
		::ffff:192.0.2.1 64:ff9b::192.0.2.1 192.0.2.1::1 192.0.2.0/24 192.0.2.1/24 192.0.2.0/33 0.0.0.0/0 2001:db8::/32 2001:db8::1/32 ::/0
		192.0.2.0/255.255.255.0 192.0.2.0/024 ::ffff:192.0.2.0/120 02:00:5e:00:53:01 02-00-5E-00-53-01 0200.5e00.5301 02:00:5e:00:53
		02:00-5e:00:53:01 02:00:5e:00:53:01:02:03 host.example eth0.2 br-lan a/b . .. a+b~c abcdefghijklmno abcdefghijklmnop wan wan-6 wan_6
		00112233 0011223 0011223g AABBCCDD 00a1b2c3d4e5f607 00A1B2C3D4E5F607 0000000000000000 /a a /a/../b /a/ //a / /a/./b /.hidden /..a
		off auto direct refuse primary secondary standby bond overflow failover pass info INFO trace <script> 1k 10GB 20G 31 32 46 EF`),
		"a b", "/a b", "/"+x("ö", 53), "/"+x("ö", 54), "/"+x("x", 106), "/"+x("x", 107), x("00", 256), x("00", 260), x("y", 4096))
}

func TestVerdicts(t *testing.T) {
	type verdicts struct {
		Texts    []string            `json:"texts"`
		Accepted map[string][]string `json:"accepted"`
	}
	now := verdicts{texts(), map[string][]string{}}
	for typ, options := range Describe() {
		for name, o := range options {
			accepted := []string{}
			for _, text := range texts() {
				if accepts(typ, name, text, o.List) {
					accepted = append(accepted, text)
				}
			}
			now.Accepted[typ+"."+name] = accepted
		}
	}
	const file = "testdata/verdicts.json"
	if *updateFlag {
		out, err := json.MarshalIndent(now, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file, string(out)+"\n")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want verdicts
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	// An option that is not in the file yet is fine as long as its kind is.
	kinds := map[string]bool{}
	for typ, options := range Describe() {
		for name, o := range options {
			if accepted, ok := want.Accepted[typ+"."+name]; ok {
				kinds[o.Kind] = true
				if diff := cmp.Diff(accepted, now.Accepted[typ+"."+name]); diff != "" {
					t.Errorf("%s.%s, is %s to be updated (go test -update)? (-file +parser):\n%s", typ, name, file, diff)
				}
			}
		}
	}
	for typ, options := range Describe() {
		for name, o := range options {
			if !kinds[o.Kind] {
				t.Errorf("%s.%s is of kind %q, of which %s knows nothing: go test -update, and teach luci-app/htdocs/luci-static/resources/tandem/values.js that kind", typ, name, o.Kind, file)
			}
		}
	}
}
