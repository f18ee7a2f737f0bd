package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	labnet "tandem/lab/net"
)

const linkUsage = "usage: lab link [--name LAB] LINK FLAGS; see lab link --help"

// link changes what its flags name and leaves the rest. Values for both
// directions are given as DOWN/UP or as one.
func link(ctx context.Context, args []string) error {
	var changes []func(*labnet.LinkConfig) error
	change := func(f func(c *labnet.LinkConfig, v string) error) func(string) error {
		return func(v string) error {
			changes = append(changes, func(c *labnet.LinkConfig) error { return f(c, v) })
			return f(new(labnet.LinkConfig), v) // so that the flag is refused by name
		}
	}
	// shape is a change of both directions.
	shape := func(f func(s *labnet.Shape, v string) error) func(string) error {
		return change(func(c *labnet.LinkConfig, v string) error {
			down, up := pair(v)
			if err := f(&c.Down, down); err != nil {
				return err
			}
			return f(&c.Up, up)
		})
	}

	fs, name := newFlags("link")
	fs.Func("rate", "`bit/s`: 50M/20M; 0 is unlimited", shape(func(s *labnet.Shape, v string) (err error) {
		s.Rate, err = parseRate(v)
		return err
	}))
	fs.Func("delay", "one-way propagation `delay`: 60ms", shape(func(s *labnet.Shape, v string) (err error) {
		s.Delay, err = time.ParseDuration(v)
		return err
	}))
	fs.Func("jitter", "spread of the delay, order kept: `3ms`", shape(func(s *labnet.Shape, v string) (err error) {
		s.Jitter, err = time.ParseDuration(v)
		return err
	}))
	fs.Func("loss", "`share` of packets lost: 1%", shape(func(s *labnet.Shape, v string) (err error) {
		s.Loss, err = parseShare(v)
		return err
	}))
	fs.Func("queue", "`limit`: 100ms, 64k (bytes), or bdp (rate × round trip)", shape(setQueue))
	fs.Func("seed", "`number` the lost packets follow from", change(func(c *labnet.LinkConfig, v string) error {
		_, err := fmt.Sscan(v, &c.Seed)
		return err
	}))
	fs.BoolFunc("down", "carrier off at the cpe", change(func(c *labnet.LinkConfig, _ string) error {
		c.Off = true
		return nil
	}))
	fs.BoolFunc("up", "carrier on", change(func(c *labnet.LinkConfig, _ string) error {
		c.Off = false
		return nil
	}))
	fs.Func("blackhole", "`on|off`: carrier on, but every packet vanishes", change(func(c *labnet.LinkConfig, v string) error {
		c.Blackhole = v == "on"
		return oneOf(v, "on", "off")
	}))
	fs.Func("strip", "`syn-data|mptcp|both|none`: what the operator's network removes", change(func(c *labnet.LinkConfig, v string) error {
		c.Strip = labnet.Strip{SYNData: v == "syn-data" || v == "both", MPTCP: v == "mptcp" || v == "both"}
		return oneOf(v, "syn-data", "mptcp", "both", "none")
	}))
	fs.Func("capture", "write delivered packets to a pcap `file`, or off", change(func(c *labnet.LinkConfig, v string) (err error) {
		c.Capture = ""
		if v != "off" {
			c.Capture, err = filepath.Abs(v)
		}
		return err
	}))

	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New(linkUsage)
	}
	target := fs.Arg(0)
	if err := parse(fs, fs.Args()[1:]); err != nil { // flags may follow LINK
		return err
	}
	if fs.NArg() > 0 || len(changes) == 0 {
		return errors.New(linkUsage)
	}
	lab, err := labnet.Attach(*name)
	if err != nil {
		return err
	}
	l, err := lab.FindLink(target)
	if err != nil {
		return err
	}
	return l.Change(func(c *labnet.LinkConfig) {
		for _, f := range changes {
			_ = f(c) // checked when the flag was read
		}
	})
}

func oneOf(v string, allowed ...string) error {
	for _, a := range allowed {
		if v == a {
			return nil
		}
	}
	return fmt.Errorf("want one of %q", allowed)
}
