package flows

import (
	"sync"
	"syscall"
	"testing"
)

type relay struct{}

func (relay) Bytes() (up, down int64) { return 1, 2 }
func (relay) Server() syscall.Conn    { return nil }
func (relay) Abort(error)             {}

func TestTable(t *testing.T) {
	var table Table
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				f := &Flow{Mode: "bond"}
				table.Add(f)
				f.Attach(relay{})
				if i%2 == 0 {
					table.Remove(f)
				}
			}
		}()
	}
	wg.Wait()
	all := table.List()
	if len(all) != 400 {
		t.Fatalf("%d flows, want 400", len(all))
	}
	for i, f := range all {
		if i > 0 && f.ID <= all[i-1].ID {
			t.Fatalf("flow %d after %d: not the oldest first", f.ID, all[i-1].ID)
		}
		if up, down := f.Bytes(); up != 1 || down != 2 {
			t.Fatalf("bytes %d, %d", up, down)
		}
	}
	if _, err := (&Flow{}).Subflows(); err == nil {
		t.Error("a flow that nothing carries has subflows")
	}
	if up, down := (&Flow{}).Bytes(); up != 0 || down != 0 {
		t.Errorf("a flow that carries nothing yet: %d, %d", up, down)
	}
}
