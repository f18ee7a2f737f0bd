package onpath

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
	"tandem/shared/nftables"
)

// Way is what is in place in the kernel of this network namespace.
type Way struct {
	endpoints []mptcp.Endpoint
	allowed   string // the setting behind the C flag, as it was
	stop      func() // ends the tries to announce

	mu     sync.Mutex // one nft at a time
	rules  Rules
	taking bool
}

// allowJoin is 1 where peers may open subflows to the address and port of a
// connection's first one: the C flag's opposite.
const allowJoin = "/proc/sys/net/mptcp/allow_join_initial_addr_port"

// nftTime is what nft may take, on a busy machine.
const nftTime = 10 * time.Second

// Open announces addresses and makes the rules, which take nothing yet. An error
// says what is missing; nothing is left then. late is told of an address that
// cannot be announced yet, and then that it is.
func Open(rules Rules, announce []netip.AddrPort, late func(netip.AddrPort, error)) (*Way, error) {
	w := &Way{rules: rules, stop: func() {}}
	if err := w.open(announce, late); err != nil {
		return nil, errors.Join(fmt.Errorf("on_path: %w", err), w.Close())
	}
	return w, nil
}

func (w *Way) open(announce []netip.AddrPort, late func(netip.AddrPort, error)) error {
	if _, err := Delivery().Install(); err != nil {
		return lacking(err)
	}
	if err := w.forbidJoin(); err != nil {
		return lacking(err)
	}
	if err := w.announce(announce, late); err != nil {
		return lacking(err)
	}
	return lacking(w.Take(false))
}

// lacking says what an error for want of rights means.
func lacking(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%w (it takes CAP_NET_ADMIN and a writable /proc/sys/net: see ON THE PATH in tandem-concentrator(8))", err)
	}
	return err
}

// forbidJoin sets the C flag in all answers of this network namespace.
func (w *Way) forbidJoin() error {
	text, err := os.ReadFile(allowJoin)
	if err != nil {
		return fmt.Errorf("this kernel cannot keep subflows from the servers' addresses: %w", err)
	}
	if w.allowed = strings.TrimSpace(string(text)); w.allowed == "0" {
		w.allowed = "1" // a killed daemon's doing, most likely; it is the kernel's default
		return nil
	}
	return os.WriteFile(allowJoin, []byte("0"), 0)
}

// announce has the kernel listen for subflows and tell peers of it. What a killed
// daemon left is taken over as it is.
//
// An address and port that cannot be had yet is tried again until Close: where
// subflows ended a moment ago, as before a restart, they hold it for a minute
// (TIME_WAIT, and the kernel's listener does without SO_REUSEADDR; Linux 6.18).
// Connections have one line only meanwhile.
func (w *Way) announce(announce []netip.AddrPort, late func(netip.AddrPort, error)) error {
	pm, err := mptcp.Open()
	if err != nil {
		return err
	}
	there, err := pm.Endpoints()
	if err != nil {
		pm.Close()
		return err
	}
	var missing []mptcp.Endpoint
	for _, a := range announce {
		e := mptcp.Endpoint{Addr: a.Addr(), Port: a.Port(), Flags: mptcp.FlagSignal}
		w.endpoints = append(w.endpoints, e)
		if slices.ContainsFunc(there, func(t mptcp.Endpoint) bool {
			return t.Addr == e.Addr && t.Port == e.Port && t.Flags == e.Flags
		}) {
			continue
		}
		switch err := pm.AddEndpoint(e); {
		case errors.Is(err, unix.EADDRINUSE):
			missing = append(missing, e)
			late(a, err)
		case errors.Is(err, unix.EADDRNOTAVAIL):
			pm.Close()
			return fmt.Errorf("announce %s: this host does not have that address: %w", a, err)
		case err != nil:
			pm.Close()
			return fmt.Errorf("announce %s: %w", a, err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.stop = func() { stop(); <-done }
	go func() {
		defer close(done)
		defer pm.Close()
		for len(missing) > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(announceAgain):
			}
			e := missing[0]
			if err := pm.AddEndpoint(e); err == nil {
				missing = missing[1:]
				late(netip.AddrPortFrom(e.Addr, e.Port), nil)
			} else {
				missing = append(missing[1:], e)
			}
		}
	}()
	return nil
}

// announceAgain is how often an address is tried that cannot be had yet.
const announceAgain = time.Second

// Take begins to take connections over, or ceases to. Those that were taken over
// live on.
func (w *Way) Take(on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := nft(w.rules.Render(on))
	if err == nil {
		w.taking = on
	}
	return err
}

// Change puts other rules in force.
func (w *Way) Change(rules Rules) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := nft(rules.Render(w.taking))
	if err == nil {
		w.rules = rules
	}
	return err
}

// Leave leaves a server alone for an hour, or until Take or Change.
func (w *Way) Leave(server netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return nft(renderSpeaker(server))
}

func nft(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), nftTime)
	defer cancel()
	_, err := nftables.Run(ctx, "", text, "-f", "-")
	return err
}

// Remove takes away what a daemon that was killed has left, but for the announced
// addresses: the next daemon goes on with those, which could not be had again at
// once. What is not there is no error.
func Remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), nftTime)
	defer cancel()
	if _, err := nftables.Run(ctx, "", "", "list", "table", "inet", "tandem-on-path"); err != nil {
		return nil
	}
	return errors.Join(
		nft("delete table inet tandem-on-path\n"), Delivery().Remove(), os.WriteFile(allowJoin, []byte("1"), 0))
}

// Close undoes all, when the last connection has ended: without rules their
// packets would be routed.
func (w *Way) Close() error {
	w.stop()
	errs := []error{
		nft("table inet tandem-on-path\ndelete table inet tandem-on-path\n"),
		Delivery().Remove(),
	}
	if w.allowed != "" {
		errs = append(errs, os.WriteFile(allowJoin, []byte(w.allowed), 0))
	}
	if len(w.endpoints) > 0 {
		pm, err := mptcp.Open()
		errs = append(errs, err)
		if err == nil {
			defer pm.Close()
			for _, e := range w.endpoints {
				if err := pm.DelEndpoint(e); err != nil && !errors.Is(err, unix.ENOENT) {
					errs = append(errs, err)
				}
			}
		}
	}
	return errors.Join(errs...)
}
