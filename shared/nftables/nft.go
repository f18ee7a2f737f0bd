// Package nftables runs the nft program, which every target has: rules are text,
// and a text is applied as one transaction.
package nftables

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"tandem/shared/program"
)

// ErrMissing says that there is no nft program.
var ErrMissing = errors.New("nft program not found: install nftables")

// Run runs nft with input as its standard input and returns what it prints. path
// is the program's; "" looks where programs are. An error has what nft says.
func Run(ctx context.Context, path, input string, args ...string) (string, error) {
	if path == "" {
		path = "nft"
	}
	out, complaints, err := program.Run(ctx, input, path, args...)
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", ErrMissing
	case ctx.Err() != nil:
		return "", fmt.Errorf("nft: %w", ctx.Err())
	}
	return "", fmt.Errorf("nft: %w: %s", err, firstLines(complaints))
}

// firstLines keeps an error readable: nft repeats whole sets in its messages.
func firstLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		if len(lines[i]) > 200 {
			lines[i] = lines[i][:200] + "..."
		}
	}
	return strings.Join(lines[:min(len(lines), 4)], "; ")
}
