package cli

import (
	"strings"
	"testing"

	"tandem/concentrator/clients"
)

func TestSource(t *testing.T) {
	d := newDesk(t)
	d.deps.SourceLacks = func(c *clients.Client) []string { return []string{"of " + c.Name} }
	d.ok("add home")
	d.ok("add cabin")
	if out := d.ok("source --prefix 2001:db8:100::/56,192.0.2.0/28 home preserved"); !strings.Contains(out, "preserved") || !strings.Contains(out, "2001:db8:100::/56, 192.0.2.0/28") {
		t.Errorf("%q", out)
	}
	for line, want := range map[string]struct {
		code int
		says string
	}{
		"source cabin preserved --prefix 2001:db8:100:80::/64": {1, `prefix 2001:db8:100:80::/64 overlaps 2001:db8:100::/56, which is client "home"'s`},
		"source cabin prefix --prefix 2001:db8::/32":           {1, `overlaps 2001:db8:100::/56, which is client "home"'s`},
		"source cabin prefix":                                  {1, "exactly one IPv6 prefix"},
		"source cabin shared --prefix 2001:db8:200::/56":       {1, "only a client with source"},
		"source cabin preserved --prefix 10.0.0.1/8":           {1, "10.0.0.0/8 is meant?"},
		"source cabin preserved --prefix ten":                  {2, "not an address or prefix"},
		"source cabin mine":                                    {2, "is not one of"},
		"source cabin":                                         {2, "needs the name of a client and one of"},
		"source cabin preserved now":                           {2, "unexpected argument"},
		"source nobody preserved":                              {1, "no such client"},
		"source cabin prefix --prefix 2001:db8:200::/56":       {0, "warning: of cabin"},
	} {
		if code, _, errs := d.run(line); code != want.code || !strings.Contains(errs, want.says) {
			t.Errorf("%s: exit %d: %s", line, code, errs)
		}
	}
	d.ok("source home default")
	d.ok("source cabin preserved --prefix 2001:db8:200::/56 --prefix 192.0.2.0/28")
	if c, err := d.store.Show("cabin"); err != nil || len(c.Prefixes) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}
