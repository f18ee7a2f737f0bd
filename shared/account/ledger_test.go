package account

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLedgerTotals(t *testing.T) {
	var l Ledger
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 1000 {
				a := l.Account([]string{"dsl", "lte"}[i%2])
				a.Open()
				a.Close(1, 2)
			}
		}()
	}
	wg.Wait()
	l.Account("dsl").Open()
	l.Account("lte").Fail()
	want := []Totals{
		{Name: "dsl", Opened: 4001, Open: 1, Up: 4000, Down: 8000},
		{Name: "lte", Opened: 4000, Failed: 1, Up: 4000, Down: 8000},
	}
	if diff := cmp.Diff(want, l.Totals()); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	var l Ledger
	for i := range 3 * maxAccounts {
		l.Account(fmt.Sprint(i)).Open()
	}
	if got := len(l.Totals()); got != maxAccounts+1 {
		t.Errorf("%d accounts, want %d", got, maxAccounts+1)
	}
	if got := l.Account("yet another"); got != l.Account("other") {
		t.Error("an account beyond the bound is not the shared one")
	}
}
