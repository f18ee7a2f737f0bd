package onpath

import (
	"context"
	"flag"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tandem/shared/nftables"
)

var update = flag.Bool("update", false, "write testdata anew")

func testRules() Rules {
	prefixes := func(s ...string) (all []netip.Prefix) {
		for _, p := range s {
			all = append(all, netip.MustParsePrefix(p))
		}
		return all
	}
	return Rules{
		Port: 5127, Interfaces: []string{"dsl0", "vlan.7"}, LeavePorts: []uint16{25, 22},
		Sources: prefixes("198.51.100.0/24", "2001:db8:d::/48"),
		Leave:   prefixes("203.0.113.64/26", "203.0.113.65/32"), // one in the other
		Allow:   prefixes("10.1.0.0/16", "64:ff9b::/96"), Reserved: prefixes("10.0.0.0/8", "::/3"),
	}
}

func TestRender(t *testing.T) {
	for file, got := range map[string]string{
		"taking.nft":  testRules().Render(true),
		"ceased.nft":  testRules().Render(false),
		"minimal.nft": Rules{Port: 1, Sources: testRules().Sources[:1]}.Render(true),
		"speaker.nft": renderSpeaker(netip.MustParseAddrPort("203.0.113.10:443")) + renderSpeaker(netip.MustParseAddrPort("[2001:db8::1]:443")),
	} {
		file = "testdata/" + file
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// The kernel takes the rules, one set after the other, and what is added to them.
func TestApply(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root")
	}
	runtime.LockOSThread() // the thread, and its namespace, end with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	listing := func() string {
		text, err := nftables.Run(context.Background(), "", "", "list", "ruleset")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var first string
	for _, text := range []string{
		testRules().Render(true), testRules().Render(false), Rules{Port: 1}.Render(true), testRules().Render(true),
	} {
		if err := nft(text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if first == "" {
			first = listing()
		}
	}
	if diff := cmp.Diff(first, listing()); diff != "" {
		t.Errorf("the same rules again (-first +again):\n%s", diff)
	}
	if err := nft(renderSpeaker(netip.MustParseAddrPort("203.0.113.10:443"))); err != nil {
		t.Error(err)
	}
	if err := nft(renderSpeaker(netip.MustParseAddrPort("[2001:db8::1]:443"))); err != nil {
		t.Error(err)
	}
}
