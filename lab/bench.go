package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tandem/lab/bench"
)

// benchmark measures and writes docs/performance.md.
func benchmark(ctx context.Context, args []string) error {
	fs, _ := newFlags("bench")
	o := bench.Options{}
	fs.StringVar(&o.Binaries, "binaries", "", "`folder` of the two daemons (default: the one of lab)")
	fs.StringVar(&o.Peers, "peers", defaultPeers(), "`folder` of the programs to compare with; make bench-peers fills it")
	fs.IntVar(&o.Rounds, "rounds", 5, "`rounds` of what is measured in turns")
	only := fs.String("only", "", "`sections` to measure, such as short,bonded (default: all)")
	rivals := fs.String("rivals", "", "`names` of what to compare, such as \"Tandem,HAProxy\" (default: all there are)")
	check := fs.Bool("check", false, "compare with plain routing and raw MPTCP, and fail below stated floors")
	fs.DurationVar(&o.Stay, "stay", 10*time.Minute, "how `long` section large stays with all its connections")
	fs.IntVar(&o.Most, "most", 100_000, "`connections` of section large: steps beyond are left out")
	fs.StringVar(&o.Host, "host", "", "what this machine runs on, for the report of a `guest`")
	report := fs.String("report", "", "write the tables into this `file`; what it has of other sections stays")
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
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	if *rivals != "" {
		o.Rivals = strings.Split(*rivals, ",")
	}
	p := newProgress(os.Stderr)
	defer p.done()
	o.Say = p.say
	if *check {
		text, err := bench.Check(ctx, o)
		p.done()
		fmt.Print(text)
		return err
	}
	r, err := bench.Run(ctx, o)
	p.done()
	if err != nil {
		return err
	}
	r.Markdown(os.Stdout)
	if *report != "" {
		if err := r.Save(*report); err != nil {
			return err
		}
	}
	if *jsonFile == "" {
		return nil
	}
	return r.SaveJSON(*jsonFile)
}

// defaultPeers is outside of the tree: building them takes minutes.
func defaultPeers() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "tandem-bench")
}
