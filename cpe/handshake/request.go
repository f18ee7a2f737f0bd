// Package handshake builds what the CPE says first on a connection to the
// concentrator and reads what the concentrator answers (RFC 8803). It knows
// the messages, not how connections are made.
package handshake

import (
	"net/netip"

	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/origin"
	"tandem/shared/reverse"
)

// AppendConnect appends a request to be connected to dst, signed by s, if any.
// host, if valid, is the LAN host that it names. That one's own bytes may follow
// at once. The nonce is for ReadAnswer.
func AppendConnect(b []byte, dst netip.AddrPort, host netip.Addr, cookie []byte, s *credential.Signer) ([]byte, credential.Nonce, error) {
	m := convert.Message{HasConnect: true, Connect: convert.Connect{Addr: dst}, Cookie: cookie}
	if host.IsValid() {
		m.Private = []convert.Raw{origin.Of(host)}
	}
	return appendSigned(b, &m, s)
}

// AppendInfo appends the question for the supported TCP extensions; it serves
// as a check that the concentrator works.
func AppendInfo(b []byte, cookie []byte, s *credential.Signer) ([]byte, credential.Nonce, error) {
	m := convert.Message{Info: true, Cookie: cookie}
	return appendSigned(b, &m, s)
}

// AppendHold appends the request to park the connection for a Connect that
// comes later, and for connections from outside to the wanted ports. It is
// always signed: strangers may not park.
func AppendHold(b []byte, wanted []reverse.Ports, s *credential.Signer) ([]byte, credential.Nonce, error) {
	m := convert.Message{Info: true, Private: []convert.Raw{{Type: credential.TypeHold, Value: reverse.WantedValue(wanted)}}}
	return appendSigned(b, &m, s)
}

// appendSigned is called anew for each connection: a request that is sent twice
// with the same nonce is a replay.
func appendSigned(b []byte, m *convert.Message, s *credential.Signer) ([]byte, credential.Nonce, error) {
	n := len(b)
	out, err := m.Append(b)
	if err != nil || s == nil {
		return out, credential.Nonce{}, err
	}
	signed, nonce, err := s.Append(out[n:])
	if err != nil {
		return b, nonce, err
	}
	return append(out[:n], signed...), nonce, nil
}
