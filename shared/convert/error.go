package convert

import (
	"strconv"
	"time"
)

// Error is the Error TLV (RFC 8803 section 6.2.8). Its value is 4*k-3 bytes
// when read: the sender's value and the zeros it was padded with.
type Error struct {
	Code  Code
	Value []byte
}

// String is the code's name and number.
func (e Error) String() string {
	return e.Code.String() + " (" + strconv.Itoa(int(e.Code)) + ")"
}

// defaultWait is what a wait of 0 stands for (RFC 8803 section 6.2.8.3).
const defaultWait = 30 * time.Second

// Wait is how long Errors 64 and 65 ask the client to stay away. The RFC
// leaves the width of the seconds open; one byte is sent and the first read.
func (e Error) Wait() (d time.Duration, ok bool) {
	if e.Code != ResourceExceeded && e.Code != NetworkFailure || len(e.Value) == 0 {
		return 0, false
	}
	if e.Value[0] == 0 {
		return defaultWait, true
	}
	return time.Duration(e.Value[0]) * time.Second, true
}

// ICMPCode is the ICMP code that Error 97 reports.
func (e Error) ICMPCode() (code byte, ok bool) {
	if e.Code != DestinationUnreachable || len(e.Value) == 0 {
		return 0, false
	}
	return e.Value[0], true
}

// Cookie is the cookie that Error 3 hands out, padded to 4*k bytes.
func (e Error) Cookie() (cookie []byte, ok bool) {
	if e.Code != MissingCookie || len(e.Value) == 0 {
		return nil, false
	}
	return e.Value[1:], true
}

// Echo is the message that Errors 1 and 2 complain about, perhaps cut off.
func (e Error) Echo() (message []byte, ok bool) {
	if e.Code != MalformedMessage && e.Code != UnsupportedMessage || len(e.Value) == 0 {
		return nil, false
	}
	return e.Value[1:], true
}

// List is the versions of Error 0 or the option kinds of Error 33, one a byte.
func (e Error) List() (list []byte, ok bool) {
	if e.Code != UnsupportedVersion && e.Code != UnsupportedTCPOption {
		return nil, false
	}
	return trimZeros(e.Value), true
}

// ErrorMessage is the message with nothing but an Error TLV. Values that start
// with a reserved zero (Errors 1, 2 and 3) must bring it: see EchoValue and
// CookieValue.
func ErrorMessage(code Code, value []byte) Message {
	return Message{HasError: true, Error: Error{Code: code, Value: value}}
}

// EchoValue appends to b the value of an Error 1 or 2 about the message at the
// start of received: a zero byte and the echo. User data behind the message is
// left out, and the echo cut so that Total Length stays within 255 words
// beside other TLVs of that many bytes.
func EchoValue(b, received []byte, others int) []byte {
	echo := received
	if len(echo) >= HeaderLen {
		if n := 4 * int(echo[1]); n >= HeaderLen && n < len(echo) {
			echo = echo[:n]
		}
	}
	room := MaxMessage - HeaderLen - 4 - 4*words(max(others, 0))
	return append(append(b, 0), echo[:max(0, min(len(echo), room))]...)
}

// CookieValue appends to b the value of an Error 3: a zero byte and the
// cookie, of up to 1012 bytes.
func CookieValue(b, cookie []byte) []byte {
	return append(append(b, 0), cookie...)
}

// WaitSeconds is the value byte of Errors 64 and 65 for a wait of d: rounded
// up, at most 255 s. 0, for no wait, means at least 30 s to the client.
func WaitSeconds(d time.Duration) byte {
	d = min(max(d, 0), 255*time.Second)
	return byte((d + time.Second - 1) / time.Second)
}

// AppendEcho appends an Error 1 or 2 message that echoes received.
func AppendEcho(b []byte, code Code, received []byte) []byte {
	start := len(b)
	b = append(b, Version, 0, Magic>>8, Magic&0xff, byte(TypeError), 0, byte(code))
	b = EchoValue(b, received, 0)
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	total := (len(b) - start) / 4
	b[start+1], b[start+HeaderLen+1] = byte(total), byte(total-1)
	return b
}

// AppendWait appends an Error 64 or 65 message that asks for a wait of d.
func AppendWait(b []byte, code Code, d time.Duration) []byte {
	return appendByteError(b, code, WaitSeconds(d))
}

// AppendUnreachable appends an Error 97 message with the ICMP code (the code
// field of a type 3 message, or of type 1 in ICMPv6).
func AppendUnreachable(b []byte, icmpCode byte) []byte {
	return appendByteError(b, DestinationUnreachable, icmpCode)
}

// AppendError appends an Error message without a value, as 32 and 96 have none.
func AppendError(b []byte, code Code) []byte {
	return appendByteError(b, code, 0)
}

func appendByteError(b []byte, code Code, value byte) []byte {
	return append(b, Version, 2, Magic>>8, Magic&0xff, byte(TypeError), 1, byte(code), value)
}

// appendError appends the TLV alone. It has room for one value byte at least.
func appendError(b []byte, code Code, value []byte) []byte {
	b = append(b, byte(TypeError), byte(words(3+len(value))), byte(code))
	return appendPadded(b, 3, value)
}
