package authorise

import (
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	"tandem/shared/convert"
)

// Client is one who may use the concentrator: with Sources alone by its
// address, with Cookies alone by one of these, with both by both.
type Client struct {
	Name    string
	Sources []netip.Prefix
	Cookies [][]byte // out-of-band cookies
}

// Rules are what a [Gate] is built from.
type Rules struct {
	Clients []Client
	// Computed demands a computed cookie of clients that have none of their own.
	Computed bool
	Secret   []byte           // key of computed cookies
	Lifetime time.Duration    // of a computed cookie: between once and twice this
	Now      func() time.Time // nil: time.Now
	// AnswerStrangers sends Errors to sources that no client's prefix covers.
	AnswerStrangers bool
}

// Gate knows the clients.
type Gate struct {
	bySource prefixes[*Client]
	// byCookie is keyed by the cookies' hash under a random key. So the time
	// that a lookup takes says nothing about how near a guess came.
	byCookie        map[[sha256.Size]byte]*Client
	hash            macPool
	computed        bool
	cookies         cookieMaker
	answerStrangers bool
}

// NewGate builds a Gate. Without clients it refuses everyone. Where two
// clients have one prefix or cookie, the last has it.
func NewGate(r Rules) *Gate {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails, see its documentation
	if r.Now == nil {
		r.Now = time.Now
	}
	g := &Gate{
		byCookie:        make(map[[sha256.Size]byte]*Client),
		hash:            newMACPool(key),
		computed:        r.Computed,
		cookies:         cookieMaker{lifetime: r.Lifetime, now: r.Now, mac: newMACPool(r.Secret)},
		answerStrangers: r.AnswerStrangers,
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		for _, pre := range c.Sources {
			g.bySource.add(pre, c)
		}
		for _, cookie := range c.Cookies {
			if len(cookie) == 0 {
				continue // anyone could show it
			}
			// In a Cookie TLV it is padded with zeros.
			padded := append(slices.Clone(cookie), make([]byte, -len(cookie)&3)...)
			g.byCookie[g.cookieHash(padded)] = c
		}
	}
	return g
}

// Who returns the client that a request from src is of, or nil and why not.
// cookie is the value of the Cookie TLV, nil if there was none. A right cookie
// tells more than the address; of several prefixes that cover src the longest
// counts.
//
// What to refuse with (RFC 8803 section 6.2.7): Error 3 with a fresh cookie
// where a computed one is demanded and missing, or was ours and has expired;
// Error 32 for everything else.
func (g *Gate) Who(src netip.Addr, cookie []byte) (*Client, Refusal) {
	src = src.Unmap().WithZone("")
	if cookie != nil && len(g.byCookie) > 0 {
		if c := g.byCookie[g.cookieHash(cookie)]; c != nil && (len(c.Sources) == 0 || c.at(src)) {
			return c, Refusal{}
		}
	}
	c, known := g.bySource.longest(src)
	switch {
	case !known && cookie == nil:
		return nil, Refusal{Code: convert.NotAuthorized, Why: "source is no client's"}
	case !known:
		return nil, Refusal{Code: convert.NotAuthorized, Why: "cookie is wrong, or its client may not come from this source"}
	case len(c.Cookies) > 0:
		return nil, Refusal{Code: convert.NotAuthorized, Why: "client's cookie is wrong or missing"}
	case !g.computed:
		return c, Refusal{}
	case cookie == nil:
		return nil, Refusal{Code: convert.MissingCookie, Cookie: g.cookies.make(src), Why: "no cookie yet"}
	}
	switch g.cookies.check(src, cookie) {
	case valid:
		return c, Refusal{}
	case expired:
		return nil, Refusal{Code: convert.MissingCookie, Cookie: g.cookies.make(src), Why: "cookie has expired"}
	}
	return nil, Refusal{Code: convert.NotAuthorized, Why: "cookie is wrong"}
}

// Answers says whether src may be sent an Error message although it did not
// show who it is: strangers get no byte, unless configured otherwise. A client
// that Who has accepted always may.
func (g *Gate) Answers(src netip.Addr) bool {
	return g.answerStrangers || g.Covers(src)
}

// Covers says whether a client's prefix covers src.
func (g *Gate) Covers(src netip.Addr) bool { return g.bySource.cover(src.Unmap().WithZone("")) }

// Named returns the name of the client that src alone shows, if there is one.
func (g *Gate) Named(src netip.Addr) (name string, ok bool) {
	c, known := g.bySource.longest(src.Unmap().WithZone(""))
	if !known || len(c.Cookies) > 0 {
		return "", false
	}
	return c.Name, true
}

func (c *Client) at(src netip.Addr) bool {
	return slices.ContainsFunc(c.Sources, func(p netip.Prefix) bool { return p.Contains(src) })
}

func (g *Gate) cookieHash(cookie []byte) [sha256.Size]byte {
	s := g.hash.get()
	defer g.hash.put(s)
	return [sha256.Size]byte(s.sum(cookie))
}
