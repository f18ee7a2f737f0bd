package authorise

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"
	"time"
)

// A computed cookie (RFC 8803 section 6.2.7) proves that its bearer got what
// was sent to its address:
//
//	period (4 bytes)  when it was made, in lifetimes since 1970
//	tag    (16)       HMAC-SHA-256 of period and address, truncated
//
// It is taken in its period and the next.
const (
	periodLen = 4
	tagLen    = 16
	cookieLen = periodLen + tagLen
)

type verdict int

const (
	wrong   verdict = iota
	expired         // ours, for this address, and too old
	valid
)

type cookieMaker struct {
	lifetime time.Duration
	now      func() time.Time
	mac      macPool
}

// period is the current one.
func (m *cookieMaker) period() uint32 {
	return uint32(m.now().Unix() / max(1, int64(m.lifetime/time.Second)))
}

// make returns a fresh cookie for src.
func (m *cookieMaker) make(src netip.Addr) []byte {
	c := binary.BigEndian.AppendUint32(make([]byte, 0, cookieLen), m.period())
	s := m.mac.get()
	defer m.mac.put(s)
	return append(c, s.tag(c, src)...)
}

func (m *cookieMaker) check(src netip.Addr, cookie []byte) verdict {
	if len(cookie) != cookieLen {
		return wrong
	}
	s := m.mac.get()
	defer m.mac.put(s)
	if !hmac.Equal(s.tag(cookie[:periodLen], src), cookie[periodLen:]) {
		return wrong
	}
	// A period still to come is ours from before a clock step: too old as well.
	if now, made := m.period(), binary.BigEndian.Uint32(cookie); made != now && made+1 != now {
		return expired
	}
	return valid
}

// macPool keeps keyed hashes, as making one allocates.
type macPool struct{ pool sync.Pool }

type macState struct {
	hash hash.Hash
	in   [periodLen + 16]byte
	out  [sha256.Size]byte
}

func newMACPool(secret []byte) macPool {
	secret = append([]byte(nil), secret...)
	return macPool{sync.Pool{New: func() any { return &macState{hash: hmac.New(sha256.New, secret)} }}}
}

func (p *macPool) get() *macState  { return p.pool.Get().(*macState) }
func (p *macPool) put(s *macState) { p.pool.Put(s) }

// tag is good until s is put back.
func (s *macState) tag(period []byte, src netip.Addr) []byte {
	a := src.As16()
	n := copy(s.in[:], period)
	n += copy(s.in[n:], a[:])
	return s.sum(s.in[:n])[:tagLen]
}

// sum is good until s is put back.
func (s *macState) sum(b []byte) []byte {
	s.hash.Reset()
	s.hash.Write(b)
	return s.hash.Sum(s.out[:0])
}
