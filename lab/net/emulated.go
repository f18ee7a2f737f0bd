package labnet

import (
	"fmt"
	"sync"
	"time"
)

// emulated is a link between two TUN devices.
type emulated struct {
	near   int // TUN descriptor of the end towards the lan
	pipes  [2]*pipe
	thread *thread

	mu      sync.Mutex
	cfg     LinkConfig
	capture *capture
}

// startLink starts the thread of a link between two TUN descriptors. It runs
// as long as the process.
func startLink(near, far int, cfg LinkConfig) (*emulated, error) {
	epoch := time.Now()
	e := &emulated{near: near, pipes: [2]*pipe{
		Downlink: {dir: Downlink, from: far, to: near, epoch: epoch},
		Uplink:   {dir: Uplink, from: near, to: far, epoch: epoch},
	}}
	var err error
	if e.thread, err = newThread(e.pipes); err != nil {
		return nil, err
	}
	if err := e.set(cfg); err != nil {
		return nil, err
	}
	go e.thread.run()
	return e, nil
}

func (e *emulated) set(cfg LinkConfig) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if cfg.Capture != e.cfg.Capture {
		if err := e.switchCapture(cfg.Capture); err != nil {
			return err
		}
	}
	if cfg.Off != e.cfg.Off {
		if err := setCarrier(e.near, !cfg.Off); err != nil {
			return fmt.Errorf("carrier: %w", err)
		}
	}
	for _, p := range e.pipes {
		p.configure(cfg)
	}
	e.cfg = cfg
	e.thread.poke() // packets may be due sooner
	return nil
}

func (e *emulated) switchCapture(path string) error {
	old := e.capture
	e.capture = nil
	var err error
	if path != "" {
		e.capture, err = newCapture(path)
	}
	for _, p := range e.pipes {
		p.setCapture(e.capture)
	}
	if old != nil {
		old.close()
	}
	e.cfg.Capture = path
	return err
}

func (e *emulated) state() LinkState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return LinkState{
		Config:   e.cfg,
		Stats:    LinkStats{Down: e.pipes[Downlink].snapshot(), Up: e.pipes[Uplink].snapshot()},
		Emulated: true,
	}
}

// filtersOf returns what cfg makes of each packet. More of a network's
// misbehaviour (a NAT that forgets, say) is added here.
func filtersOf(cfg LinkConfig) []filter {
	var list []filter
	if cfg.Strip != (Strip{}) {
		list = append(list, func(_ Direction, pkt []byte) []byte { return cfg.Strip.apply(pkt) })
	}
	return list
}
