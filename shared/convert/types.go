package convert

import "strconv"

// Sizes and constants of the fixed header (RFC 8803 section 6.1).
const (
	Version    = 1
	Magic      = 0x2263
	HeaderLen  = 4    // bytes
	MaxMessage = 1020 // bytes: 255 words, header included
)

// MaxPrivate is how many private TLVs one message may carry. The wire could
// hold 64; the limit keeps what a peer can make Parse allocate below
// MaxMessage bytes.
const MaxPrivate = 16

// Type is the type of a TLV (IANA registry "TCP Convert TLVs").
type Type uint8

// The TLVs of RFC 8803 section 6.2 and the private range.
const (
	TypeInfo           Type = 1
	TypeConnect        Type = 10
	TypeExtendedHeader Type = 20
	TypeSupported      Type = 21
	TypeCookie         Type = 22
	TypeError          Type = 30

	TypePrivateFirst Type = 192
	TypePrivateLast  Type = 255
)

// Private says whether t is of the Private Use range, 192 to 255.
func (t Type) Private() bool { return t >= TypePrivateFirst }

// String is the name the RFC gives the type, or "TLV 99".
func (t Type) String() string {
	switch t {
	case TypeInfo:
		return "Info"
	case TypeConnect:
		return "Connect"
	case TypeExtendedHeader:
		return "Extended TCP Header"
	case TypeSupported:
		return "Supported TCP Extensions"
	case TypeCookie:
		return "Cookie"
	case TypeError:
		return "Error"
	}
	return "TLV " + strconv.Itoa(int(t))
}

func (t Type) known() bool {
	switch t {
	case TypeInfo, TypeConnect, TypeExtendedHeader, TypeSupported, TypeCookie, TypeError:
		return true
	}
	return t.Private()
}

// sentBy says whether side may send a TLV of this known type.
func (t Type) sentBy(side Side) bool {
	switch t {
	case TypeInfo, TypeCookie:
		return side == FromClient
	case TypeExtendedHeader, TypeSupported, TypeError:
		return side == FromConverter
	}
	return true
}

// Code is the code of an Error TLV (RFC 8803 section 6.2.8).
type Code uint8

// Error codes: 0-31 message, 32-63 client, 64-95 converter, 96-127
// destination.
const (
	UnsupportedVersion     Code = 0
	MalformedMessage       Code = 1
	UnsupportedMessage     Code = 2
	MissingCookie          Code = 3
	NotAuthorized          Code = 32
	UnsupportedTCPOption   Code = 33
	ResourceExceeded       Code = 64
	NetworkFailure         Code = 65
	ConnectionReset        Code = 96
	DestinationUnreachable Code = 97
)

// String is the name the RFC gives the code, or "Error 192".
func (c Code) String() string {
	switch c {
	case UnsupportedVersion:
		return "Unsupported Version"
	case MalformedMessage:
		return "Malformed Message"
	case UnsupportedMessage:
		return "Unsupported Message"
	case MissingCookie:
		return "Missing Cookie"
	case NotAuthorized:
		return "Not Authorized"
	case UnsupportedTCPOption:
		return "Unsupported TCP Option"
	case ResourceExceeded:
		return "Resource Exceeded"
	case NetworkFailure:
		return "Network Failure"
	case ConnectionReset:
		return "Connection Reset"
	case DestinationUnreachable:
		return "Destination Unreachable"
	}
	return "Error " + strconv.Itoa(int(c))
}

// Side is who sent a message. It decides which TLVs are allowed and what the
// receiver does about a bad one.
type Side int

// The two ends of the upstream connection (RFC 8803 section 3.1).
const (
	FromClient    Side = iota // read by a converter
	FromConverter             // read by a client
)

// String is "client" or "converter".
func (s Side) String() string {
	if s == FromConverter {
		return "converter"
	}
	return "client"
}
