package onpath

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestSpeakers(t *testing.T) {
	var mu sync.Mutex
	var asked, found []uint16
	now := time.Unix(1e9, 0)
	s := &Speakers{
		Now: func() time.Time { return now },
		Speaks: func(_ context.Context, a netip.AddrPort) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, a.Port())
			if a.Port() == 2 {
				return true, errors.New("refused")
			}
			return a.Port() == 1, nil
		},
		Found: func(a netip.AddrPort) {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, a.Port())
		},
	}
	ask := func(what string, ports, wantAsked, wantFound []uint16) {
		t.Helper()
		asked, found = nil, nil
		var wg sync.WaitGroup
		for _, port := range ports {
			wg.Add(1)
			s.Ask(context.Background(), netip.AddrPortFrom(netip.MustParseAddr("203.0.113.10"), port), wg.Done)
		}
		wg.Wait()
		slices.Sort(asked)
		if !slices.Equal(asked, wantAsked) || !slices.Equal(found, wantFound) {
			t.Errorf("%s: asked %v, found %v; want %v, %v", what, asked, found, wantAsked, wantFound)
		}
	}
	ask("at first", []uint16{1, 2, 3}, []uint16{1, 2, 3}, []uint16{1})
	ask("known", []uint16{1, 2, 3, 4}, []uint16{4}, nil)
	now = now.Add(remember)
	ask("an hour later", []uint16{1}, []uint16{1}, []uint16{1})
	s.Forget()
	ask("forgotten", []uint16{1, 3}, []uint16{1, 3}, []uint16{1})

	// Those who do not answer keep no more than some from being asked.
	hold := make(chan struct{})
	quick := s.Speaks
	s.Speaks = func(context.Context, netip.AddrPort) (bool, error) { <-hold; return false, nil }
	var slow sync.WaitGroup
	for port := range uint16(askMost) {
		slow.Add(1)
		s.Ask(context.Background(), netip.AddrPortFrom(netip.MustParseAddr("203.0.113.11"), port), slow.Done)
	}
	ask("too many at a time", []uint16{5}, nil, nil)
	close(hold)
	slow.Wait()
	s.Speaks = quick
	ask("room again", []uint16{5}, []uint16{5}, nil)
}
