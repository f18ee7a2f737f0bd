package clients

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"tandem/concentrator/source"
)

// A file that was edited by hand and takes a part of another client's prefix
// costs its own client, and the other one's addresses stay that one's.
func TestPrefixesOverlapInFiles(t *testing.T) {
	f := NewFolder(filepath.Join(t.TempDir(), "clients"))
	for _, name := range []string{"a", "b", "c"} {
		if _, err := f.Add(Client{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.SetSource("a", source.Prefix, []netip.Prefix{netip.MustParsePrefix("2001:db8:100::/56")}); err != nil {
		t.Fatal(err)
	}
	// As an editor does, past SetSource.
	if _, err := f.Update("b", func(c *Client) error {
		c.Source, c.Prefixes = source.Preserved, []netip.Prefix{netip.MustParsePrefix("2001:db8:100:7::/64")}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	if p := f.Problems(); len(p) != 1 || p[0].Client != "b" || !strings.Contains(p[0].Reason, `overlaps 2001:db8:100::/56, which is client "a"'s`) {
		t.Errorf("problems %+v", p)
	}
	if f.Enabled("b") || !f.Enabled("a") || !f.Enabled("c") {
		t.Error("the wrong client is left out")
	}
	if who, ok := f.Owners().Of(netip.MustParseAddr("2001:db8:100:7::1")); who != "a" || !ok {
		t.Errorf("the address is %q's", who)
	}
	// What the command line refuses in a broken state can be mended by it.
	if _, err := f.SetSource("b", "", nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err != nil || !f.Enabled("b") {
		t.Errorf("b is not back: %v, %+v", err, f.Problems())
	}
}
