package convert

import (
	"errors"
	"fmt"
)

// ErrTooLong is returned by Append for a message above MaxMessage bytes.
var ErrTooLong = errors.New("convert: message longer than 1020 bytes")

// Append appends the message to b and returns the result; on error, b as it
// was. It allocates only where b lacks capacity.
//
// TLVs are written in the order of their types: Info, Connect, Extended TCP
// Header, Supported TCP Extensions, Cookie, Error, then Private in the order
// given. So the last private TLV ends the message, and a tag at its end can
// authenticate every byte before it.
//
// It fails with ErrTooLong, for an address that does not fit, for options that
// a receiver would refuse, and for private TLVs of a wrong type, given twice
// or more than MaxPrivate. Which side may send what, and forbidden
// destinations, are not its business.
func (m *Message) Append(b []byte) ([]byte, error) {
	size := m.Len()
	if size > MaxMessage {
		return b, ErrTooLong
	}
	if err := m.check(); err != nil {
		return b, err
	}
	b = append(b, Version, byte(size/4), Magic>>8, Magic&0xff)
	if m.Info {
		b = append(b, byte(TypeInfo), 1, 0, 0)
	}
	if m.hasConnect() {
		b = appendConnect(b, m.Connect.Addr, m.Connect.Options)
	}
	if m.hasExtendedHeader() {
		b = appendTLV(b, TypeExtendedHeader, m.ExtendedHeader)
	}
	if m.hasSupported() {
		b = appendTLV(b, TypeSupported, m.Supported)
	}
	if m.hasCookie() {
		b = appendTLV(b, TypeCookie, m.Cookie)
	}
	if m.hasError() {
		b = appendError(b, m.Error.Code, m.Error.Value)
	}
	for _, r := range m.Private {
		b = append(b, byte(r.Type), byte(words(2+len(r.Value))))
		b = appendPadded(b, 2, r.Value)
	}
	return b, nil
}

// Len is the length in bytes that Append writes, whether it fits or not.
func (m *Message) Len() int {
	n := 1
	if m.Info {
		n++
	}
	if m.hasConnect() {
		n += words(connectLen + len(m.Connect.Options))
	}
	if m.hasExtendedHeader() {
		n += words(4 + len(m.ExtendedHeader))
	}
	if m.hasSupported() {
		n += words(4 + len(m.Supported))
	}
	if m.hasCookie() {
		n += words(4 + len(m.Cookie))
	}
	if m.hasError() {
		n += words(3 + len(m.Error.Value))
	}
	for _, r := range m.Private {
		n += words(2 + len(r.Value))
	}
	return 4 * n
}

func (m *Message) hasConnect() bool        { return m.HasConnect || m.Connect.Addr.IsValid() }
func (m *Message) hasExtendedHeader() bool { return m.HasExtendedHeader || len(m.ExtendedHeader) > 0 }
func (m *Message) hasSupported() bool      { return m.HasSupported || len(m.Supported) > 0 }
func (m *Message) hasCookie() bool         { return m.HasCookie || len(m.Cookie) > 0 }
func (m *Message) hasError() bool          { return m.HasError || len(m.Error.Value) > 0 }

func (m *Message) check() error {
	if m.hasConnect() {
		if err := checkAddr(m.Connect.Addr.Addr()); err != nil {
			return err
		}
		if n, f := checkOptions(m.Connect.Options, 0); f.bad() {
			return errors.New("convert: " + f.What)
		} else if n < len(m.Connect.Options) {
			return errors.New("convert: tcp options end in padding")
		}
	}
	if len(m.Private) > MaxPrivate {
		return fmt.Errorf("convert: %d private tlvs, at most %d", len(m.Private), MaxPrivate)
	}
	var seen uint64
	for _, r := range m.Private {
		bit := uint64(1) << (r.Type & 63)
		switch {
		case !r.Type.Private():
			return fmt.Errorf("convert: %q is not a private type", r.Type)
		case seen&bit != 0:
			return fmt.Errorf("convert: %q given twice", r.Type)
		}
		seen |= bit
	}
	return nil
}

// AppendSuccess appends the bare header, which accepts a base Connect.
func AppendSuccess(b []byte) []byte {
	return append(b, Version, HeaderLen/4, Magic>>8, Magic&0xff)
}

// appendTLV appends a TLV whose value follows two reserved bytes.
func appendTLV(b []byte, t Type, value []byte) []byte {
	b = append(b, byte(t), byte(words(4+len(value))), 0, 0)
	return appendPadded(b, 4, value)
}

// appendPadded appends the value of a TLV of which before bytes are written.
func appendPadded(b []byte, before int, value []byte) []byte {
	b = append(b, value...)
	for n := before + len(value); n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// words is the number of 32-bit words that n bytes take.
func words(n int) int { return (n + 3) / 4 }
