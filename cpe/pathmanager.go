package main

import (
	"context"

	"tandem/cpe/config"
	"tandem/cpe/steer"
	"tandem/shared/logline"
	"tandem/shared/mptcp"
	"tandem/shared/nocmp"
)

// pathManager says who makes subflows: the kernel while every flow is to use
// all lines, package steer as soon as one is not. That stays so until the
// daemon ends, since connections keep the path manager that they began with.
type pathManager struct {
	_      nocmp.Field
	log    *logline.Logger
	steers bool
	found  bool // userspace was in charge before us
	begun  chan struct{}

	blackhole string // timeout before us, empty where it is not changed
}

func newPathManager(log *logline.Logger) *pathManager {
	return &pathManager{log: log, begun: make(chan struct{})}
}

// choose leaves the kernel's path manager if a configuration needs that. It
// must come before the first connection made by that configuration.
func (m *pathManager) choose(cfg *config.Config) {
	if m.steers {
		return
	}
	var err error
	m.found, err = mptcp.UserspacePM()
	switch {
	case err != nil && !cfg.Steered(), err == nil && !m.found && !cfg.Steered():
		return
	case err == nil && !m.found:
		err = mptcp.SetUserspacePM(true)
	}
	if err != nil {
		m.log.Warn("mode is bond for all flows", "hint", "before the daemon starts: sysctl net.mptcp.pm_type=1", "err", err)
		return
	}
	if steer.CreateForgetsDevice() {
		m.log.Info("this kernel is older than Linux 6.18: modes other than bond need a route by each line's source address", "hint", "tandem-cpe check says whether it is there")
	}
	m.steers = true
	close(m.begun)
}

// insist keeps the kernel from doing without MPTCP for an hour because no line
// worked for some seconds: a SYN that found no answer in that time is repeated
// without MPTCP, and answered when a line is back. Each line is looked after
// here.
func (m *pathManager) insist() {
	before, err := mptcp.BlackholeTimeout()
	if err != nil || before == "0" {
		return
	}
	if err := mptcp.SetBlackholeTimeout("0"); err != nil {
		m.log.Warn("after a time without any line the kernel may use one line only, for an hour or more", "hint", "sysctl net.mptcp.blackhole_timeout=0", "err", err)
		return
	}
	m.blackhole = before
}

// run steers flows from when that is needed until ctx ends.
func (m *pathManager) run(ctx context.Context, s *steer.Steerer) error {
	select {
	case <-ctx.Done():
		return nil
	case <-m.begun:
		return s.Run(ctx)
	}
}

// restore gives back what choose and insist found.
func (m *pathManager) restore() {
	if m.blackhole != "" {
		if err := mptcp.SetBlackholeTimeout(m.blackhole); err != nil {
			m.log.Warn("net.mptcp.blackhole_timeout stays 0", "was", m.blackhole, "err", err)
		}
	}
	if m.steers && !m.found {
		if err := mptcp.SetUserspacePM(false); err != nil {
			m.log.Warn("the kernel's MPTCP path manager is not in charge again", "err", err)
		}
	}
}
