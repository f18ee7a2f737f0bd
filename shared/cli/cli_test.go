package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tandem/shared/control"
)

func TestRun(t *testing.T) {
	var config, operand string
	p := Program{
		Name: "prog", Version: "1.2", Usage: "usage: prog\n",
		Flags: func(f *Flags) { config = "default"; f.String("config", &config) },
		Command: map[string]func() error{
			"good": func() error { return nil },
			"take": func() error { return nil },
			"bad":  func() error { return errors.New("file x:3: no") },
			"off":  func() error { return fmt.Errorf("%w (no answer)", control.ErrNotRunning) },
		},
	}
	p.Operand = map[string]*string{"take": &operand}
	for _, tt := range []struct {
		operand  string
		args     string
		status   int
		out, err string // parts
		config   string
	}{
		{args: "", out: "usage: prog"},
		{args: "help", out: "usage: prog"},
		{args: "good --help", out: "usage: prog"},
		{args: "--version", out: "prog 1.2"},
		{args: "good", config: "default"},
		{args: "good --config x", config: "x"},
		{args: "good --config", status: Misused, err: "prog good: flag needs an argument"},
		{args: "good --colour", status: Misused, err: "see prog help"},
		{args: "good more", status: Misused, err: `unexpected argument "more"`},
		{args: "take", operand: ""},
		{args: "take it", operand: "it"},
		{args: "take - --config x", operand: "-", config: "x"},
		{args: "take --config x it", operand: "it", config: "x"},
		{args: "take this that", status: Misused, err: `unexpected argument "that"`},
		{args: "good tandem://AQBTzyT", status: Misused, err: `unexpected argument "tandem://..."`},
		{args: "good --tandem://AQBTzyT", status: Misused, err: `-tandem://...; see`},
		{args: "ugly", status: Misused, err: `unknown command "ugly"`},
		{args: "bad", status: Failed, err: "prog: file x:3: no"},
		{args: "off", status: NotRunning, err: "not running"},
	} {
		var out, errs bytes.Buffer
		operand = ""
		if got := p.Run(strings.Fields(tt.args), &out, &errs); got != tt.status {
			t.Errorf("%q: exit status %d, want %d", tt.args, got, tt.status)
		}
		if !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.err) || tt.err == "" && errs.Len() > 0 {
			t.Errorf("%q: printed %q and %q", tt.args, &out, &errs)
		}
		if tt.status == Done && operand != tt.operand {
			t.Errorf("%q: operand %q, want %q", tt.args, operand, tt.operand)
		}
		if tt.config != "" && config != tt.config {
			t.Errorf("%q: config %q", tt.args, config)
		}
	}
}
