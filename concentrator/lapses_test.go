package main

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"tandem/shared/credential"
)

// TestLapses: a client whose clock is off, or whose copies come late, is no
// stranger, however many requests it has on the way. Who sends what was seen on
// a wire is one.
func TestLapses(t *testing.T) {
	d := newDesk(t)
	set, source := d.server.settings.Load(), netip.MustParseAddr("198.51.100.7")
	judge := func(message []byte) (blameless bool, verdict credential.Verdict) {
		t.Helper()
		client, proof, no := d.server.who(set, source, request(t, message))
		if client != nil {
			t.Fatalf("%x is accepted", message)
		}
		return no.blameless, proof.Verdict
	}

	d.signer.Now = func() time.Time { return time.Now().Add(-43*time.Second - credential.MaxAge) }
	var stale [][]byte
	for range 500 {
		stale = append(stale, d.signed(t))
	}
	for i, message := range stale {
		if ok, verdict := judge(message); !ok || verdict != credential.Stale {
			t.Fatalf("request %d with a clock behind: %s, blameless: %v", i, verdict, ok)
		}
	}
	if ok, _ := judge(stale[len(stale)-1]); ok {
		t.Error("an old request that is sent again is blamed on nobody")
	}

	d.signer.Now = nil
	first := d.signed(t)
	late := slices.Clone(first)
	if err := d.signer.Again(late); err != nil {
		t.Fatal(err)
	}
	if client, _, no := d.server.who(set, source, request(t, late)); client == nil {
		t.Fatalf("the copy that came first is not accepted: %q", no.why)
	}
	if ok, verdict := judge(first); !ok || verdict != credential.Replayed {
		t.Errorf("what the copy has overtaken: %s, blameless: %v", verdict, ok)
	}
	if ok, _ := judge(first); ok {
		t.Error("a request that is sent a third time is blamed on nobody")
	}

	wrong := d.signed(t)
	wrong[len(wrong)-1] ^= 1
	if ok, verdict := judge(wrong); ok || verdict != credential.Refused {
		t.Errorf("a wrong tag: %s, blameless: %v", verdict, ok)
	}
	proof := credential.Result{Verdict: credential.Stale, Key: d.signer.Identity}
	if n := testing.AllocsPerRun(100, func() { d.server.lapses.forgive(proof) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
