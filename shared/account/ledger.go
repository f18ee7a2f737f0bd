// Package account counts what flows carried, by name: a client, a WAN, a LAN
// host. Counting takes no lock.
package account

import (
	"sync"
	"sync/atomic"

	"tandem/shared/nocmp"
	"tandem/shared/order"
)

// Account sums the flows booked under one name.
type Account struct {
	_                      nocmp.Field
	opened, closed, failed atomic.Int64
	up, down               atomic.Int64
}

// Open books a flow that begins.
func (a *Account) Open() { a.opened.Add(1) }

// Close books a flow that ended, with the payload bytes it moved.
func (a *Account) Close(up, down int64) {
	a.Add(up, down)
	a.closed.Add(1)
}

// Add books bytes without a flow, for accounts that several share.
func (a *Account) Add(up, down int64) {
	a.up.Add(up)
	a.down.Add(down)
}

// Fail books a flow that never got to carry anything.
func (a *Account) Fail() { a.failed.Add(1) }

// Totals is an account at one moment. Bytes of flows still open are counted
// when they end.
type Totals struct {
	_      nocmp.Field
	Name   string `json:"name"`
	Opened int64  `json:"opened"`
	Open   int64  `json:"open"`
	Failed int64  `json:"failed"`
	Up     int64  `json:"up_bytes"`
	Down   int64  `json:"down_bytes"`
}

// Ledger holds accounts by name. The zero value is ready.
type Ledger struct {
	mu       sync.RWMutex
	accounts map[string]*Account
}

// maxAccounts bounds the memory that many LAN hosts or clients could take;
// later ones share the account "other".
const maxAccounts = 4096

// Account returns the account of that name, opening it if need be.
func (l *Ledger) Account(name string) *Account {
	l.mu.RLock()
	a := l.accounts[name]
	l.mu.RUnlock()
	if a != nil {
		return a
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a = l.accounts[name]; a != nil {
		return a
	}
	if l.accounts == nil {
		l.accounts = make(map[string]*Account)
	}
	if len(l.accounts) >= maxAccounts {
		name = "other"
		if a = l.accounts[name]; a != nil {
			return a
		}
	}
	a = new(Account)
	l.accounts[name] = a
	return a
}

// Totals returns every account, sorted by name.
func (l *Ledger) Totals() []Totals {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]Totals, 0, len(l.accounts))
	for name, a := range l.accounts {
		closed := a.closed.Load() // before opened, so that Open is never negative
		all = append(all, Totals{
			Name: name, Opened: a.opened.Load(), Open: a.opened.Load() - closed,
			Failed: a.failed.Load(), Up: a.up.Load(), Down: a.down.Load(),
		})
	}
	order.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
