package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/tandem-mptcp/tandem/concentrator/source"
)

// parseSource reads "NAME MODE" and --prefix, which may be given several times.
func parseSource(args []string) (*command, error) {
	c := &command{verb: "source"}
	fs := flag.NewFlagSet("source", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&c.json, "json", false, "")
	fs.Func("prefix", "", func(s string) error {
		list, err := parsePrefixes(s)
		c.prefixes = append(c.prefixes, list...)
		return err
	})
	var words []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if args = fs.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	switch {
	case len(words) < 2:
		return nil, errors.New("needs the name of a client and one of shared, preserved, prefix, default")
	case len(words) > 2:
		return nil, fmt.Errorf("unexpected argument %q", words[2])
	}
	c.name = words[0]
	if words[1] == "default" {
		return c, nil
	}
	var err error
	c.source, err = source.ParseMode(words[1])
	return c, err
}
