package ruleset

import (
	"context"
	"errors"
	"strings"

	"tandem/shared/nftables"
)

// expressions of nftables that the rules use and that a kernel can be without:
// each is a module, in OpenWrt a package.
var expressions = []struct{ name, rule, module string }{
	{"tproxy", "meta nfproto ipv4 meta l4proto tcp tproxy ip to :1", "kmod-nft-tproxy"},
	{"socket", "socket wildcard 1", "kmod-nft-socket"},
	{"fib", "fib daddr type local", "kmod-nft-fib"},
}

const probe = "table inet tandem_check { chain c { type filter hook prerouting priority mangle; "

// Possible says what this system is without that the rules need.
func (n NFT) Possible(ctx context.Context) error {
	text := probe
	for _, e := range expressions {
		text += e.rule + "; "
	}
	_, err := nftables.Run(ctx, n.Program, text+"}; }\n", "-c", "-f", "-")
	if err == nil || errors.Is(err, nftables.ErrMissing) {
		return err
	}
	if lacks := n.lacking(ctx); lacks != "" {
		return errors.New(lacks)
	}
	return nil // whatever it was, it is not that
}

// lacking asks the kernel for each of the expressions alone, in a transaction
// that is not carried out, and says what to install; "" if it has them all.
// What nft itself says of a missing one is "No such file or directory".
func (n NFT) lacking(ctx context.Context) string {
	var names, modules []string
	for _, e := range expressions {
		if _, err := nftables.Run(ctx, n.Program, probe+e.rule+"; }; }\n", "-c", "-f", "-"); err != nil {
			names, modules = append(names, e.name), append(modules, e.module)
		}
	}
	if names == nil {
		return ""
	}
	return "nftables of this kernel has no " + strings.Join(names, ", ") + ": install " + strings.Join(modules, ", ")
}
