package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"tandem/cpe/check"
	"tandem/cpe/ruleset"
	"tandem/cpe/steer"
	"tandem/cpe/uplink"
	"tandem/cpe/upstream"
	"tandem/shared/control"
	"tandem/shared/credential"
	"tandem/shared/daemon"
	"tandem/shared/logline"
	"tandem/shared/relay"
)

// checkReport is what check prints at the end.
type checkReport struct {
	Concentrator string         `json:"concentrator"`
	WANs         []check.Result `json:"wans"`
}

var errLines = errors.New("not every line can be bonded")

// checkLines tries all lines against the preferred concentrator. With --json
// each step is an object of one line, and the last one is the report.
func checkLines(o options, stdout io.Writer) error {
	ctx, stop := daemon.Signals(context.Background(), nil, nil)
	defer stop()
	cfg, secrets, err := o.load()
	if err != nil {
		return err
	}
	switch {
	case len(cfg.Concentrators) == 0:
		return errors.New("no concentrator is configured: tandem-cpe join")
	case len(cfg.WANs) == 0:
		return errors.New("no line is configured: add a section wan for each")
	}
	askDevices(logline.New(io.Discard), cfg)
	c := cfg.Concentrators[0]
	var signer *credential.Signer
	if key := secrets[c.Key]; !key.IsZero() {
		signer = &credential.Signer{Identity: credential.NewIdentity(c.Key, key), Now: now()}
	}
	if mask, err := uplink.FindMwan3(); err == nil && mask != 0 {
		if o.json {
			err = printLine(stdout, check.Finding{Text: besideMwan3(mask)})
		} else {
			_, err = fmt.Fprintln(stdout, besideMwan3(mask))
		}
		if err != nil {
			return err
		}
	}
	wans, err := uplink.Look(cfg.WANs)
	if err != nil {
		return err
	}
	far := upstream.NewConverter(logline.New(io.Discard), c, signer, ruleset.MarkOwn, cfg.ConnectTimeout, func() []uplink.WAN { return wans })
	far.Engine = relay.NewEngine()
	report := checkReport{Concentrator: c.Name}
	bad := false
	for i, w := range wans {
		text := fmt.Sprintf("line %s (%d of %d): asking concentrator %s…", w.Name, i+1, len(wans), c.Name)
		if o.json {
			err = printLine(stdout, check.Finding{Text: text})
		} else {
			_, err = fmt.Fprintln(stdout, text)
		}
		if err != nil {
			return err
		}
		r := check.Line(ctx, c.Name, far, w)
		if cfg.Steered() && steer.CreateForgetsDevice() {
			r.Findings = append(r.Findings, olderKernel(w, c.Addresses)...)
		}
		report.WANs = append(report.WANs, r)
		bad = bad || !r.OK
	}
	if o.json {
		err = printLine(stdout, report)
	} else {
		report.print(stdout)
	}
	if err == nil && bad {
		err = errLines
	}
	return err
}

// olderKernel says what modes other than bond need of a line where the kernel
// makes a subflow by its address and not by its device.
func olderKernel(w uplink.WAN, concentrator []netip.Addr) []check.Finding {
	for _, dst := range concentrator {
		if src, leads := w.Source(dst); leads && w.Present && !w.BySource(dst) {
			return []check.Finding{{Text: fmt.Sprintf("This kernel is older than Linux 6.18 and may send a second subflow from %v over another line. Modes other than bond need a route by source address: set option ip4table (and ip6table) of this interface in /etc/config/network, or add a rule: ip rule add from %[1]v lookup TABLE.", src)}}
		}
	}
	return nil
}

func (r checkReport) print(out io.Writer) {
	for _, w := range r.WANs {
		mark := "ok "
		if !w.OK {
			mark = "BAD"
		}
		fmt.Fprintf(out, "\n%s %s: %s\n", mark, w.Name, w.Verdict)
		for _, f := range w.Findings {
			fmt.Fprintf(out, "    %s\n", f.Text)
		}
	}
	fmt.Fprintln(out)
}

// printLine writes v as one line of JSON.
func printLine(w io.Writer, v any) error {
	text, err := control.Line(v)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
