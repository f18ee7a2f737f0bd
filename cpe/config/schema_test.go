package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var sectionTypes = map[string]func() rawSection{
	"tandem":       func() rawSection { return &rawMain{} },
	"concentrator": func() rawSection { return &rawConcentrator{} },
	"wan":          func() rawSection { return &rawWAN{} },
	"bypass":       func() rawSection { return &rawBypass{} },
}

// Every option that can be read is described, as what it is, and no other.
func TestSchemaIsComplete(t *testing.T) {
	schema := Describe()
	for typ, raw := range sectionTypes {
		fields := raw().fields()
		for name, to := range fields {
			o, ok := schema[typ][name]
			if _, isList := to.(*[]value); !ok || o.List != isList {
				t.Errorf("option %q of section %s: schema.go has %+v (found: %v), want a row with List = %v", name, typ, o, ok, isList)
			}
		}
		for name := range schema[typ] {
			if fields[name] == nil {
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
			case kindCookie:
				check(strings.Repeat("ab", *o.Max), true)
				check(strings.Repeat("ab", *o.Max+4), false)
			}
		}
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
