package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"tandem/concentrator/source"
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
	said, err := words(fs, args)
	if err != nil {
		return nil, err
	}
	switch {
	case len(said) < 2:
		return nil, errors.New("needs the name of a client and one of shared, preserved, prefix, default")
	case len(said) > 2:
		return nil, fmt.Errorf("unexpected argument %q", said[2])
	}
	c.name = said[0]
	if said[1] == "default" {
		return c, nil
	}
	c.source, err = source.ParseMode(said[1])
	return c, err
}
