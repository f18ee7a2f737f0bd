package limits

import (
	"sync"
	"sync/atomic"
	"time"

	"tandem/shared/convert"
)

// Admission knows all clients' limits and what they have taken.
type Admission struct {
	connections share
	setups      share
	epoch       time.Time

	clients atomic.Pointer[map[string]*Client] // replaced, never changed
	mu      sync.Mutex                         // held to replace it
}

// NewAdmission returns an Admission for clients that have no limits yet. See
// [Admission.SetTotals] for the two numbers.
func NewAdmission(maxConnections, maxSetups int) *Admission {
	a := &Admission{epoch: time.Now()}
	a.SetTotals(maxConnections, maxSetups)
	a.clients.Store(&map[string]*Client{})
	return a
}

// SetTotals says how many connections, and of these how many whose server has
// not answered yet, all clients may have together.
func (a *Admission) SetTotals(maxConnections, maxSetups int) {
	a.connections.max.Store(int64(maxConnections))
	a.setups.max.Store(int64(maxSetups))
}

// Client returns the state of the client of that name: with no limits if
// Apply has not given it any. Names must come from a configuration, not from
// the network: each is kept.
func (a *Admission) Client(name string) *Client {
	if c := (*a.clients.Load())[name]; c != nil {
		return c
	}
	return a.add([]string{name})[0]
}

// Apply sets the limits of all clients; those not in all have none any more.
// What clients have taken stays.
func (a *Admission) Apply(all map[string]Limits, now time.Time) {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	a.add(names)
	for name, c := range *a.clients.Load() {
		c.set(all[name], now)
	}
}

// add returns the clients of these names, new ones where there are none.
func (a *Admission) add(names []string) []*Client {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := *a.clients.Load()
	next := make(map[string]*Client, len(old)+len(names))
	for name, c := range old {
		next[name] = c
	}
	found := make([]*Client, len(names))
	for i, name := range names {
		if next[name] == nil {
			c := &Client{admission: a, name: name}
			c.up.epoch, c.down.epoch = a.epoch, a.epoch
			c.limits.Store(&Limits{})
			next[name] = c
		}
		found[i] = next[name]
	}
	a.clients.Store(&next)
	return found
}

// Client is one client's limits and what it has taken of them.
type Client struct {
	admission *Admission
	name      string
	limits    atomic.Pointer[Limits]
	open      atomic.Int64 // connections, those in set-up included
	setups    atomic.Int64
	arrivals  bucket
	up, down  Limiter
	period    period
}

// Verdict says whether a connection may be, and if not, what to tell the
// client: Error Code with Wait (RFC 8803 section 6.2.8).
type Verdict struct {
	OK   bool
	Code convert.Code
	Wait time.Duration // 1 to 255 s
	Why  string        // for the log
}

// Append appends the Error message of a refusal to b.
func (v Verdict) Append(b []byte) []byte { return convert.AppendWait(b, v.Code, v.Wait) }

// How long to stay away. Connections end all the time; what all clients share
// comes back more slowly, when everyone is busy.
const (
	ownWait    = 2 * time.Second
	sharedWait = 10 * time.Second
	maxWait    = 255 * time.Second
)

// Admit decides whether c may have one more connection. If so it counts as in
// set-up until Connected, and as open until Release; call Release for each,
// however it ends.
func (c *Client) Admit(now time.Time) Verdict {
	l := c.limits.Load()
	c.turn(now)
	if l.MonthlyBytes > 0 && c.up.bytes.Load()+c.down.bytes.Load() >= l.MonthlyBytes {
		return refusal(time.Unix(c.period.end.Load(), 0).Sub(now), "client has used up its volume of this month")
	}
	open := c.open.Add(1)
	if l.Connections > 0 && open > int64(l.Connections) {
		c.open.Add(-1)
		return refusal(ownWait, "client has as many connections as it may")
	}
	if !c.admission.connections.take(open - 1) {
		c.open.Add(-1)
		return refusal(sharedWait, "too many connections, and the client has its share")
	}
	if setups := c.setups.Add(1); !c.admission.setups.take(setups - 1) {
		c.undo()
		return refusal(sharedWait, "too many connections in set-up, and the client has its share")
	}
	if l.NewPerSecond > 0 {
		if wait, ok := c.arrivals.take(int64(now.Sub(c.admission.epoch)), l.NewPerSecond); !ok {
			c.admission.setups.give()
			c.undo()
			return refusal(wait, "client opens more connections a second than it may")
		}
	}
	return Verdict{OK: true}
}

func (c *Client) undo() {
	c.setups.Add(-1)
	c.admission.connections.give()
	c.open.Add(-1)
}

func refusal(wait time.Duration, why string) Verdict {
	// Whole seconds: 0 would mean 30 s to the client.
	wait = min(max((wait+time.Second-1).Truncate(time.Second), time.Second), maxWait)
	return Verdict{Code: convert.ResourceExceeded, Wait: wait, Why: why}
}

// Connected ends the set-up of an admitted connection: its server answered.
func (c *Client) Connected() {
	c.setups.Add(-1)
	c.admission.setups.give()
}

// Release ends an admitted connection; connected says whether Connected was
// called.
func (c *Client) Release(connected bool) {
	if !connected {
		c.Connected()
	}
	c.open.Add(-1)
	c.admission.connections.give()
}

// Up paces and counts what comes from the client.
func (c *Client) Up() *Limiter { return &c.up }

// Down paces and counts what goes to the client.
func (c *Client) Down() *Limiter { return &c.down }

// Name is the client's name.
func (c *Client) Name() string { return c.name }

// Open returns how many connections c has, and how many of these are in set-up.
func (c *Client) Open() (open, setups int) { return int(c.open.Load()), int(c.setups.Load()) }

func (c *Client) set(l Limits, now time.Time) {
	old := c.limits.Swap(&l)
	c.up.set(l.Up)
	c.down.set(l.Down)
	if l.ResetDay != old.ResetDay {
		c.moved(now)
	}
}

// All returns every client there is, in no order.
func (a *Admission) All() []*Client {
	var all []*Client
	for _, c := range *a.clients.Load() {
		all = append(all, c)
	}
	return all
}
