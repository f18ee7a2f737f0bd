package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/tandem-mptcp/tandem/lab/bench"
)

// benchmark measures and writes docs/performance.md.
func benchmark(ctx context.Context, args []string) error {
	fs, _ := newFlags("bench")
	o := bench.Options{}
	fs.StringVar(&o.Binaries, "binaries", "", "`folder` of the two daemons (default: the one of lab)")
	fs.IntVar(&o.Short, "short", 10000, "`number` of short connections")
	fs.IntVar(&o.Parallel, "parallel", 64, "`number` of them at a time")
	fs.IntVar(&o.Rounds, "rounds", 5, "`rounds` of bulk transfers")
	report := fs.String("report", "", "write the table to this `file`")
	jsonFile := fs.String("json", "", "write the figures to this `file`")
	if err := parseOnly(fs, args); err != nil {
		return err
	}
	if o.Binaries == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.Binaries = filepath.Dir(self)
	}
	p := newProgress(os.Stderr)
	defer p.done()
	o.Say = p.say
	r, err := bench.Run(ctx, o)
	p.done()
	if err != nil {
		return err
	}
	r.Markdown(os.Stdout)
	if *report != "" {
		f, err := os.Create(*report)
		if err != nil {
			return err
		}
		r.Markdown(f)
		if err := f.Close(); err != nil {
			return err
		}
	}
	if *jsonFile == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(*jsonFile, append(text, '\n'), 0o644)
}
