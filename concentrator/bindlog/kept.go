package bindlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-mptcp/tandem/shared/durable"
)

// Between two runs, a file keeps whose each port was: the quarantine does not
// end with the process.

const (
	portsFile = "ports.json"
	maxPorts  = 64 << 20 // all ports of 16 addresses
)

// kept is one client's port in the file.
type kept struct {
	Address netip.Addr `json:"address"`
	Port    uint16     `json:"port"`
	Client  string     `json:"client"`
	Until   time.Time  `json:"until"` // then it may be another's
}

// Save writes whose ports are in use or in quarantine. It is to be called when
// no more connections come.
func (p *Ports) Save(folder string) error {
	d, err := durable.Lock(folder)
	if err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	defer d.Close()
	text, err := json.Marshal(p.held())
	if err == nil {
		err = d.Write(portsFile, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	return nil
}

// Restore takes over what an earlier run has saved. Without a file, after a
// crash, all ports are free.
func (p *Ports) Restore(folder string) error {
	d, err := durable.Lock(folder)
	if err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	defer d.Close()
	text, err := d.Read(portsFile, maxPorts)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var all []kept
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	// Whatever is in it: it must not be read twice.
	if err = errors.Join(err, d.Remove(portsFile)); err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	// The pool's lists are in order of time.
	slices.SortFunc(all, func(a, b kept) int { return a.Until.Compare(b.Until) })
	for _, k := range all {
		if left := min(k.Until.Sub(p.now()), Quarantine); left > 0 && k.Address.IsValid() {
			p.quarantine(k.Client, netip.AddrPortFrom(k.Address, k.Port), left)
		}
	}
	return nil
}

// held lists the ports that have a holder.
func (p *Ports) held() []kept {
	p.mu.RLock()
	defer p.mu.RUnlock()
	now := p.now()
	all := []kept{}
	for addr, pool := range p.pools {
		pool.Lock()
		for i, x := range pool.ports {
			if x.holder == nil {
				continue
			}
			until := now
			if x.flows == 0 {
				until = p.epoch.Add(time.Duration(x.idleSince))
			}
			all = append(all, kept{addr, p.ports.Low + uint16(i-1), x.holder.client, until.Add(Quarantine)})
		}
		pool.Unlock()
	}
	return all
}

// quarantine keeps a port for its client for the time that is left. To keep the
// pool's lists in order it must be called before any Pick, the shortest first.
func (p *Ports) quarantine(client string, local netip.AddrPort, left time.Duration) {
	i, ok := p.index(local.Port())
	if !ok {
		return
	}
	pool := p.pool(local.Addr())
	pool.Lock()
	defer pool.Unlock()
	if pool.isFree(i) {
		pool.take(pool.holder(client), i)
		pool.release(i, p.clock()-int64(Quarantine-left))
	}
}
