// Package handshake builds what the CPE says first on a connection to the
// concentrator and reads what the concentrator answers (RFC 8803). It knows
// the messages, not how connections are made.
package handshake

import (
	"net/netip"

	"github.com/tandem-mptcp/tandem/shared/convert"
)

// AppendConnect appends a request to be connected to dst. The LAN host's own
// bytes may follow at once.
func AppendConnect(b []byte, dst netip.AddrPort, cookie []byte) ([]byte, error) {
	m := convert.Message{HasConnect: true, Connect: convert.Connect{Addr: dst}, Cookie: cookie}
	return m.Append(b)
}

// AppendInfo appends the question for the supported TCP extensions; it serves
// as a check that the concentrator works.
func AppendInfo(b []byte, cookie []byte) ([]byte, error) {
	m := convert.Message{Info: true, Cookie: cookie}
	return m.Append(b)
}
