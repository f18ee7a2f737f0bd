// Package upstream opens connections to the concentrator (the converter of RFC
// 8803) and keeps what they teach: whether it answers, and whether a line
// takes data in the SYN. That knowledge belongs to the (line, concentrator)
// pair, so that what one connection learns the next one uses.
//
// Read converter.go (health), open.go (one connection), warm.go (those made in
// advance), repair.go and hedge.go (when they end too early, or may), trust.go,
// probe.go, roundtrip.go, syndata.go; onpath.go for one that needs no request.
package upstream

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/config"
	"tandem/cpe/uplink"
	"tandem/cpe/warm"
	"tandem/shared/credential"
	"tandem/shared/logline"
	"tandem/shared/relay"
	"tandem/shared/reverse"
)

// Lines tells the access lines as they are now.
type Lines func() []uplink.WAN

// Converter is one concentrator as seen from here.
type Converter struct {
	Name string
	Port uint16
	// Mode is the one of connections made in advance, and of probes.
	Mode config.Mode
	// Affords, if set, tells whether a line may be asked something of that many
	// bytes for no flow's sake, and books it.
	Affords func(line uplink.WAN, bytes int64) bool
	// Steered is set where package steer makes the connections' subflows, not the
	// kernel.
	Steered bool
	// Inbound, if set, gets the connections from outside, and Wanted are the
	// ports of the concentrator whose connections are asked for.
	Inbound func(*Inbound)
	Wanted  []reverse.Ports
	// Refresh, if set, looks at the lines now. Of an address that has gone they may
	// hear a moment later than who wants to use it.
	Refresh func()
	// Suspect, if set, is told of a line that did not answer where another did.
	Suspect func(line string)
	// Engine has the connections; set it before any is made.
	Engine *relay.Engine
	// Delay, if set, is told the round trips of handshakes.
	Delay func(line string, rtt time.Duration)
	// OnPath: it takes connections to servers over, without a request (onpath.go).
	OnPath bool

	log      *logline.Logger
	lines    Lines
	timeout  time.Duration
	mark     uint32
	synData  *synData
	drops    *drops
	signer   *credential.Signer // nil: requests are not signed
	trust    trust
	pool     *warm.Pool // nil: no connections are made in advance
	probeSYN bool       // by connections of the pool
	repairs  struct{ lost, hedged, made, taken atomic.Int64 }

	zeroRTT zeroRTT
	passes  passes
	onPath  onPath
	trips   roundTrips

	mu     sync.Mutex
	addrs  []netip.Addr
	cookie []byte
	heard  time.Time // last sign of life
	down   error     // why it is not used; nil while it is
	since  time.Time // when that began
	tried  time.Time // when it was last asked since
	missed bool      // a flow would have gone there since
	until  time.Time // not to be asked before (Errors 64 and 65)
	probe  *probe    // running check, shared by all who want one
	wakeUp chan struct{}
	asked  chan struct{} // closed when the first check is over

	origin  atomic.Bool // requests name the LAN host
	retired atomic.Bool // Run has ended: what becomes of the converter is no news
}

// NewConverter makes a converter that counts as working until shown otherwise.
// signer has the secret of c.Key; nil leaves requests without a signature.
func NewConverter(log *logline.Logger, c config.Concentrator, signer *credential.Signer, mark uint32, timeout time.Duration, lines Lines) *Converter {
	return &Converter{
		signer: signer,
		Name:   c.Name, Port: c.Port, OnPath: c.OnPath, log: log.With("concentrator", c.Name), lines: lines,
		timeout: timeout, mark: mark, synData: newSynData(), drops: newDrops(),
		addrs: c.Addresses, cookie: c.Cookie, wakeUp: make(chan struct{}, 1), asked: make(chan struct{}),
	}
}

// Usable tells whether new connections should be tried there.
func (c *Converter) Usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down == nil
}

// Down returns why the converter is not used, nil while it is.
func (c *Converter) Down() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down
}

// Cookie returns the Cookie TLV's content to send, nil for none (RFC 8803
// section 4.2.7).
func (c *Converter) Cookie() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cookie
}

// SetCookie keeps the cookie that the converter gave in a Missing Cookie error.
func (c *Converter) SetCookie(cookie []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cookie = append([]byte(nil), cookie...)
}

// Alive books a sign of life: any valid Convert message from there. One that
// asked not to be asked for a while stays out of use until then, whatever else
// it says meanwhile.
func (c *Converter) Alive() {
	c.mu.Lock()
	c.heard = time.Now()
	was := c.down
	if c.heard.Before(c.until) {
		was = nil
	} else {
		c.down = nil
	}
	c.mu.Unlock()
	if was != nil {
		c.log.Info("concentrator answers again")
		if c.pool != nil {
			c.pool.Resume()
		}
	}
}

// Heard returns the time of the last sign of life.
func (c *Converter) Heard() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// Fail takes the converter out of use because of cause, at least for wait;
// Run asks it again until it answers.
func (c *Converter) Fail(cause error, wait time.Duration) {
	c.mu.Lock()
	was := c.down
	if c.down = cause; was == nil {
		c.since = time.Now()
		c.tried, c.missed = c.since, false
	}
	if until := time.Now().Add(wait); until.After(c.until) {
		c.until = until
	}
	c.mu.Unlock()
	select {
	case c.wakeUp <- struct{}{}:
	default:
	}
	if was == nil && !c.retired.Load() {
		c.log.Warn("concentrator is out of use", "reason", cause)
	}
}

// retryEvery is how often a converter that is down is asked. Coming back
// within 5 s is promised; a probe costs some 600 bytes on one line.
const retryEvery = time.Second

// retryPoor is the same over a metered line: at most, while no flow wants the
// converter, and at least, when probes have cost there what they may.
const retryPoor = time.Minute

// Miss says that a flow would have gone there, were it not down.
func (c *Converter) Miss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missed = true
}

// mayRetry tells whether to ask the converter now, which is down.
func (c *Converter) mayRetry(now time.Time) bool {
	_, line, err := c.addr(c.Mode)
	c.mu.Lock()
	defer c.mu.Unlock()
	waited, every := now.Sub(c.tried), retryEvery
	metered := err == nil && line.Metered
	if metered && !c.missed {
		every = min(max(retryEvery, now.Sub(c.since)/8), retryPoor)
	}
	if waited < every || metered && !c.affords(line) && !(c.missed && waited >= retryPoor) {
		return false
	}
	c.tried, c.missed = now, false
	return true
}

// affords tells whether a line may be asked something for no flow's sake, and books
// it.
func (c *Converter) affords(line uplink.WAN) bool {
	return c.Affords == nil || c.Affords(line, askBytes)
}

// Asked is closed when the first check of the converter is over.
func (c *Converter) Asked() <-chan struct{} { return c.asked }

// Run checks the converter once, before flows depend on it: that tells whether
// it takes our key, and sets the clock. Then it keeps the pool, and asks a
// converter that is down whether it is back, until ctx ends.
func (c *Converter) Run(ctx context.Context) error {
	// Else a line comes first, or a flow.
	if _, line, err := c.addr(c.Mode); err == nil && c.affords(line) {
		_ = c.verify(ctx, true)
	}
	close(c.asked)
	defer c.retired.Store(true)
	var wg sync.WaitGroup
	defer wg.Wait()
	if c.pool != nil {
		wg.Add(1)
		go func() { defer wg.Done(); _ = c.pool.Run(ctx) }()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wakeUp:
		}
		for !c.Usable() {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(max(retryEvery, time.Until(c.notBefore()))):
			}
			if !c.Usable() && c.mayRetry(time.Now()) {
				_ = c.verify(ctx, true)
			}
		}
	}
}

func (c *Converter) notBefore() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.until
}

// addr returns the converter's address and the line that leads there first.
func (c *Converter) addr(mode config.Mode) (netip.AddrPort, uplink.WAN, error) {
	wans := c.lines()
	for _, a := range c.addrs {
		if w, ok := uplink.First(wans, a, mode); ok {
			return netip.AddrPortFrom(a, c.Port), w, nil
		}
	}
	return netip.AddrPort{}, uplink.WAN{}, ErrNoLine
}

// outdated tells whether err shows that what is known of the lines is older than
// what the kernel knows, such as an address that is on its way out. It is up to
// date then.
func (c *Converter) outdated(err error) bool {
	lapsed := slices.ContainsFunc([]error{unix.EADDRNOTAVAIL, unix.ENETUNREACH, unix.ENETDOWN, unix.ENODEV}, func(e error) bool { return errors.Is(err, e) })
	if lapsed && c.Refresh != nil {
		c.Refresh()
	}
	return lapsed
}

// ErrNoLine says that no access line is up that could reach the concentrator.
var ErrNoLine = errors.New("no access line leads to the concentrator")
