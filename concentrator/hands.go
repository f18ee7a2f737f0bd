package main

// hands run the handlers of connections on goroutines that have run some before:
// their stacks have the size that takes, which that of a new one gets by being
// copied twice. The zero value is not usable; see newHands.
type hands struct {
	work  chan func()
	spare chan struct{} // a place for each that waits for work
}

// spareHands is how many goroutines wait for work at most.
const spareHands = 32

func newHands() hands {
	return hands{work: make(chan func()), spare: make(chan struct{}, spareHands)}
}

// do runs f on a goroutine.
func (h *hands) do(f func()) {
	select {
	case h.work <- f:
	default:
		go h.run(f)
	}
}

func (h *hands) run(f func()) {
	for {
		f()
		select {
		case h.spare <- struct{}{}:
		default:
			return
		}
		f = <-h.work
		<-h.spare
	}
}
