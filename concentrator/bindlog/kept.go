package bindlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"tandem/shared/durable"
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
	Last    uint16     `json:"last,omitempty"` // of a block
	Client  string     `json:"client"`
	Until   time.Time  `json:"until"` // then it may be another's
	// InUse: a connection had it when the file was written.
	InUse bool `json:"in_use,omitempty"`
}

// lent is a port that the process before uses still.
type lent struct {
	client string
	at     netip.AddrPort
}

// Save writes whose ports are in use or in quarantine. It is to be called when
// no more connections come.
func (p *Ports) Save(folder string) error { return saveKept(folder, p.held()) }

// Restore takes over what an earlier run has saved. Without a file, after a
// crash, all ports are free. Where that run still serves the connections that it
// had, their ports are in use until Returned.
func (p *Ports) Restore(folder string, serving bool) error {
	all, err := takeKept(folder)
	for _, k := range all {
		left := min(k.Until.Sub(p.now()), Quarantine)
		if left <= 0 {
			continue
		}
		for port := int(k.Port); port <= int(max(k.Port, k.Last)); port++ {
			at := netip.AddrPortFrom(k.Address, uint16(port))
			if serving && k.InUse {
				if p.Claim(k.Client, at) {
					p.lent = append(p.lent, lent{k.Client, at})
				}
				continue
			}
			p.quarantine(k.Client, at, left)
		}
	}
	return err
}

// Returned says that all connections of earlier runs have ended.
func (p *Ports) Returned() {
	for _, l := range p.lent {
		p.Release(l.client, l.at)
	}
	p.lent = nil
}

// Save is Ports.Save for blocks. All of them end in the log: the next run
// records those that it takes over.
func (b *Blocks) Save(folder string) error {
	now := b.now()
	all := []kept{}
	for addr, p := range b.addresses.all() {
		p.Lock()
		for i := range p.ports {
			x := &p.ports[i]
			if x.holder == nil {
				continue
			}
			until := now
			if x.flows == 0 {
				until = b.epoch.Add(time.Duration(x.idleSince))
			}
			first := b.first(uint32(i))
			last := first + uint16(b.size-1)
			all = append(all, kept{addr, first, last, x.holder.client, until.Add(Quarantine), x.flows > 0})
			b.log.Record(Record{Client: x.holder.client, External: netip.AddrPortFrom(addr, first), Last: last, Start: p.since[i], End: now})
		}
		p.Unlock()
	}
	return saveKept(folder, all)
}

// Restore is Ports.Restore for blocks. Where the size of blocks has changed, a
// block is the client's of which the file names a port in it.
func (b *Blocks) Restore(folder string, serving bool) error {
	all, err := takeKept(folder)
	for _, k := range all {
		left := min(k.Until.Sub(b.now()), Quarantine)
		if left <= 0 {
			continue
		}
		for port := int(k.Port); port <= int(max(k.Port, k.Last)); port++ {
			i, ok := b.index(uint16(port))
			if !ok {
				continue
			}
			p := b.pool(k.Address)
			p.Lock()
			if p.isFree(i) {
				h := p.holder(k.Client)
				h.asked.restore(b.size, b.clock())
				p.take(h, i)
				if serving && k.InUse {
					h.asked.open++ // which Release takes back
					b.lent = append(b.lent, lent{k.Client, netip.AddrPortFrom(k.Address, uint16(port))})
				} else {
					p.release(i, b.clock()-int64(Quarantine-left))
				}
			}
			p.Unlock()
		}
	}
	return err
}

// Returned is Ports.Returned for blocks.
func (b *Blocks) Returned() {
	for _, l := range b.lent {
		b.Release(l.client, l.at)
	}
	b.lent = nil
}

func saveKept(folder string, all []kept) error {
	d, err := durable.Lock(folder)
	if err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	defer d.Close()
	text, err := json.Marshal(all)
	if err == nil {
		err = d.Write(portsFile, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	return nil
}

// takeKept reads the file, in the order in which a pool's lists are: of time.
// Whatever is in it, it is removed: it must not be read twice.
func takeKept(folder string) ([]kept, error) {
	d, err := durable.Lock(folder)
	if err != nil {
		return nil, fmt.Errorf("ports: %w", err)
	}
	defer d.Close()
	text, err := d.Read(portsFile, maxPorts)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []kept
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err = errors.Join(err, d.Remove(portsFile)); err != nil {
		return nil, fmt.Errorf("ports: %w", err)
	}
	all = slices.DeleteFunc(all, func(k kept) bool { return !k.Address.IsValid() })
	slices.SortFunc(all, func(a, b kept) int { return a.Until.Compare(b.Until) })
	return all, nil
}

// held lists the ports that have a holder.
func (p *Ports) held() []kept {
	now := p.now()
	all := []kept{}
	for addr, pool := range p.addresses.all() {
		pool.Lock()
		for i, x := range pool.ports {
			if x.holder == nil {
				continue
			}
			until := now
			if x.flows == 0 {
				until = p.epoch.Add(time.Duration(x.idleSince))
			}
			all = append(all, kept{addr, p.ports.Low + uint16(i-1), 0, x.holder.client, until.Add(Quarantine), x.flows > 0})
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
