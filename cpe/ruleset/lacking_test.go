package ruleset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tandem/cpe/policy"
	"tandem/shared/program"
)

// A kernel without some of the expressions, by an nft program that hands all
// others to the real one and says of these what it says there.
func TestLacking(t *testing.T) {
	router := newNetwork(t)
	nft, err := program.Find("nft")
	if err != nil {
		t.Fatal(err)
	}
	router.in(t, "router", func() error {
		if err := (NFT{}).Possible(context.Background()); err != nil {
			t.Errorf("here all is possible, but: %v", err)
		}
		return nil
	})
	for _, tt := range []struct{ without, want string }{
		{"tproxy", "nftables of this kernel has no tproxy: install kmod-nft-tproxy"},
		{"tproxy|socket|fib", "nftables of this kernel has no tproxy, socket, fib: install kmod-nft-tproxy, kmod-nft-socket, kmod-nft-fib"},
	} {
		t.Run(tt.without, func(t *testing.T) {
			n := NFT{Program: filepath.Join(t.TempDir(), "nft")}
			script := fmt.Sprintf(`#!/bin/sh
text=$(cat)
if printf '%%s' "$text" | grep -qE '(%s) '; then
	echo '/dev/stdin:1:1-9: Error: Could not process rule: No such file or directory' >&2
	exit 1
fi
printf '%%s\n' "$text" | exec %s "$@"
`, tt.without, nft)
			if err := os.WriteFile(n.Program, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			router.in(t, "router", func() error {
				err := n.Apply(context.Background(), Render(labConfig(), policy.Facts{}, Intercept))
				if err == nil || err.Error() != tt.want {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				if err := n.Possible(context.Background()); err == nil || err.Error() != tt.want {
					t.Errorf("possible: %v, want %s", err, tt.want)
				}
				return nil
			})
		})
	}
}
