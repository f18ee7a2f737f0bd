package pairing

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// Error is a line that was damaged on its way. It never quotes the line.
type Error struct {
	What string // what is wrong, in words for who typed it
	Char int    // the first character that is wrong, from 1 on; 0 where that is not known
}

// Error says what is wrong.
func (e *Error) Error() string { return "pairing line: " + e.What }

// Parse reads a line; white space around it does not matter. Where the line was
// damaged the error is an *Error.
func Parse(text string) (Line, error) {
	text = strings.TrimSpace(text)
	body, ok := strings.CutPrefix(text, Scheme)
	switch {
	case ok:
	case text == "":
		return Line{}, &Error{What: "there is none"}
	case strings.HasPrefix(Scheme, text):
		return Line{}, cutOff(len(text))
	default:
		return Line{}, &Error{What: fmt.Sprintf("must start with %q", Scheme), Char: 1}
	}
	for i, r := range body {
		if !strings.ContainsRune(alphabet, r) {
			return Line{}, foreign(r, len(Scheme)+i+1)
		}
	}
	data, err := mend(values(body))
	if err != nil {
		return Line{}, err
	}
	l, err := parseContent(data)
	if err != nil {
		return Line{}, err
	}
	// Two spellings of one content: bits left over at the end.
	if again, err := l.Encode(); err != nil || again != text {
		return Line{}, errContent
	}
	return l, nil
}

// foreign is the error about a character that no line has.
func foreign(r rune, char int) error {
	if strings.ContainsRune(" \t\r\n", r) {
		return &Error{fmt.Sprintf("character %d is a space or the end of a line, the line must be in one piece", char), char}
	}
	return &Error{fmt.Sprintf("character %d is wrong, only letters, digits, - and _ can be there", char), char}
}

func cutOff(have int) error {
	return &Error{What: "the line is cut off", Char: have + 1}
}

// mend checks all groups and returns the content, if it is whole. What is wrong
// is corrected only to find out where it is: a line with an error is refused.
func mend(chars []byte) ([]byte, error) {
	if len(chars) < groupLen {
		return nil, cutOff(len(Scheme) + len(chars)) // or too short for any line
	}
	// The first group tells how long the line must be.
	head := bytes.Clone(chars[:groupLen])
	if _, ok := repair(head); !ok {
		return nil, between(0, len(chars))
	}
	first := decode(head[:4])
	size := int(binary.BigEndian.Uint16(first[1:]))
	switch {
	case first[0] != version:
		return nil, &Error{What: fmt.Sprintf("it is of version %d, and only version %d is known here: update this end", first[0], version)}
	case size < minContent || size > maxContent:
		return nil, between(0, len(chars))
	}
	want := (8*size + 5) / 6
	want += groupChecks * ((want + groupData - 1) / groupData)
	if len(chars) > want {
		return nil, &Error{fmt.Sprintf("it is too long, %s from character %d on", count(len(chars)-want, "character"),
			len(Scheme)+want+1), len(Scheme) + want + 1}
	}

	var wrong []int
	data := make([]byte, 0, want)
	for at := 0; at < len(chars); at += groupLen {
		group := bytes.Clone(chars[at:min(at+groupLen, len(chars))])
		if len(chars) < want && len(group) < groupLen {
			break
		}
		i, ok := repair(group)
		switch {
		case !ok:
			return nil, between(at, len(chars))
		case i >= 0:
			wrong = append(wrong, len(Scheme)+at+i+1)
		}
		data = append(data, group[:len(group)-groupChecks]...)
	}
	if len(chars) < want {
		e := &Error{What: fmt.Sprintf("the line is cut off, it has %d of %d characters", len(Scheme)+len(chars), len(Scheme)+want),
			Char: len(Scheme) + len(chars) + 1}
		return nil, e
	}
	content := decode(data)
	sum := len(content) - sumLen
	switch whole := len(content) == size && bytes.Equal(checksum(content[:sum]), content[sum:]); {
	case !whole:
		return nil, &Error{What: "the checksum is wrong, more than one character is"}
	case len(wrong) == 1:
		return nil, &Error{fmt.Sprintf("character %d is wrong", wrong[0]), wrong[0]}
	case len(wrong) > 1:
		return nil, &Error{"characters " + list(wrong) + " are wrong", wrong[0]}
	}
	return content, nil
}

// between is the error about a group with several wrong characters, which is
// also what a missing one looks like.
func between(at, chars int) error {
	from := len(Scheme) + at + 1
	return &Error{What: fmt.Sprintf("several characters are wrong, or some are missing, between character %d and %d",
		from, len(Scheme)+min(at+groupLen, chars))}
}

// decode turns characters into bytes, without the bits left over at the end.
func decode(values []byte) []byte {
	text := make([]byte, len(values))
	for i, v := range values {
		text[i] = alphabet[v]
	}
	out := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	n, err := base64.RawURLEncoding.Decode(out, text)
	if err != nil {
		return nil // a length of 4k+1, which no content has
	}
	return out[:n]
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func list(numbers []int) string {
	text := make([]string, len(numbers))
	for i, n := range numbers {
		text[i] = fmt.Sprint(n)
	}
	last := len(text) - 1
	return strings.Join(text[:last], ", ") + " and " + text[last]
}
