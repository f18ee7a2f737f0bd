package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tandem/cpe/handshake"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/relay"
)

// trust counts what came of signed requests.
type trust struct {
	proven, unproven, retries atomic.Int64
}

// Trust is how the two ends prove themselves to each other.
type Trust struct {
	Key      string        // id of the key; empty: requests are not signed
	Ahead    time.Duration // how far the concentrator's clock is ahead of ours, as far as it was told
	Proven   int64         // answers with proof
	Unproven int64         // answers without, which were not believed
	Retries  int64         // requests sent again because of the clock
}

// Trust returns the counters since start.
func (c *Converter) Trust() Trust {
	if c.signer == nil {
		return Trust{}
	}
	return Trust{
		Key: c.signer.Identity.ID().String(), Ahead: c.signer.Offset(),
		Proven: c.trust.proven.Load(), Unproven: c.trust.unproven.Load(), Retries: c.trust.retries.Load(),
	}
}

// AppendConnect appends the request to be connected to dst, ready to be sent
// once: the next attempt needs another. The LAN host is named to a concentrator
// that wants it only.
func (c *Converter) AppendConnect(b []byte, dst netip.AddrPort, host netip.Addr) ([]byte, credential.Nonce, error) {
	if !c.origin.Load() {
		host = netip.Addr{}
	}
	return handshake.AppendConnect(b, dst, host, c.Cookie(), c.signer)
}

// Again makes of b, a request and maybe the LAN host's bytes behind it, the next
// copy of the request. Without a key copies cannot be told apart.
func (c *Converter) Again(b []byte) error {
	if c.signer == nil {
		return nil
	}
	n, err := convert.Length(b)
	switch {
	case err != nil:
		return err
	case n > len(b):
		return io.ErrUnexpectedEOF
	}
	return c.signer.Again(b[:n])
}

// NameHosts notes whether the concentrator wants to know the LAN hosts.
func (c *Converter) NameHosts(wanted bool) { c.origin.Store(wanted) }

// read reads the answer to the request with that nonce. Who answers a signed
// request without proof is not our concentrator, which is then out of use.
func (c *Converter) read(conn *relay.Socket, buf []byte, nonce credential.Nonce) (handshake.Answer, []byte, error) {
	answer, rest, err := handshake.ReadAnswer(conn, buf, c.signer, nonce)
	switch {
	case err != nil || c.signer == nil:
	case answer.Kind == handshake.Unproven:
		c.trust.unproven.Add(1)
		c.Fail(fmt.Errorf("%s %w", conn.Remote(), answer.Err()), 0)
	default:
		c.trust.proven.Add(1)
		if answer.Kind == handshake.WrongTime {
			c.trust.retries.Add(1)
			c.log.Info("clock corrected for this concentrator", "its_clock_is_ahead_by", c.signer.Offset().Round(time.Second))
		}
	}
	return answer, rest, err
}

// errUnwanted says that the concentrator works, and not for us.
var errUnwanted = errors.New("closes connections without an answer")

// silent says what it means when a concentrator that accepts connections ends
// them without a word, as it does with strangers.
func (c *Converter) silent(to netip.AddrPort, err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("%s accepts connections but does not answer: %w", to, err)
	}
	if c.signer == nil {
		return fmt.Errorf("%s %w: it does not know this router (pair it: tandem-cpe join)", to, errUnwanted)
	}
	return fmt.Errorf("%s %w: it does not take key %s (disabled, removed or replaced there?)",
		to, errUnwanted, c.signer.Identity.ID())
}
