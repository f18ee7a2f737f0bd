package convert

// TCP option kinds with a meaning of their own in RFC 8803 section 6.2.5.
const (
	kindEnd = 0
	kindNop = 1
	// KindAO is TCP-AO, which a converter always refuses.
	KindAO = 29
	// KindMPTCP is Multipath TCP, asked for without content.
	KindMPTCP = 30
	// KindFastOpen is TCP Fast Open, empty or with the server's cookie.
	KindFastOpen = 34
)

// checkOptions judges the options of an Extended Connect, which start at byte
// at of the message, and returns their length without padding. End and
// No-Operation are not options here; up to three zeros at the end are padding.
func checkOptions(b []byte, at int) (n int, refused SyntaxError) {
	for n < len(b) {
		kind, left := b[n], len(b)-n
		switch {
		case kind == kindEnd && left < 4 && len(trimZeros(b[n:])) == 0:
			return n, refused
		case kind == kindEnd || kind == kindNop:
			return n, malformed(TypeConnect, at+n, "tcp option of kind 0 or 1")
		case left < 2 || int(b[n+1]) > left:
			return n, malformed(TypeConnect, at+n, "tcp option reaches past the tlv")
		case b[n+1] < 2:
			return n, malformed(TypeConnect, at+n, "tcp option length is less than 2")
		case kind == KindAO && !refused.bad():
			refused = SyntaxError{What: "tcp option TCP-AO", Type: TypeConnect, Offset: at + n,
				Reply: Reply{Action: SendError, Code: UnsupportedTCPOption, Value: KindAO}}
		}
		n += int(b[n+1])
	}
	return n, refused
}

// NextOption splits off the first TCP option of options, laid out as in a TCP
// header or in an Extended TCP Header TLV: No-Operation is skipped, End ends
// the list. value is the bytes behind kind and length. ok is false at the end
// and where an option is cut off.
func NextOption(options []byte) (kind byte, value, rest []byte, ok bool) {
	for len(options) > 0 && options[0] == kindNop {
		options = options[1:]
	}
	if len(options) < 2 || options[0] == kindEnd {
		return 0, nil, nil, false
	}
	n := int(options[1])
	if n < 2 || n > len(options) {
		return 0, nil, nil, false
	}
	return options[0], options[2:n], options[n:], true
}

// Option finds the first TCP option of that kind and returns the bytes behind
// its kind and length.
func Option(options []byte, kind byte) (value []byte, ok bool) {
	for {
		k, value, rest, ok := NextOption(options)
		if !ok || k == kind {
			return value, ok
		}
		options = rest
	}
}
