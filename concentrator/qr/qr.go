// Package qr draws QR codes on a terminal, so that a pairing line can be read
// with a phone. The code itself is made by rsc.io/qr.
package qr

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the width of the light border (ISO/IEC 18004 section 5.3.8).
const quiet = 4

// A terminal's colours are not known: black on white, and back. Bright white,
// because plain white is grey on many.
const (
	blackOnWhite = "\x1b[30;107m"
	reset        = "\x1b[0m"
)

// Terminal draws text as a QR code for a terminal that knows UTF-8 and ANSI
// colours. Two modules, one above the other, share a character cell: a pairing
// line of two addresses takes 49 columns and 25 rows. It fails for a text above
// 2,953 bytes.
//
// Error correction is of level L, the lowest: a screen has no stains, and a
// smaller code fits more windows.
func Terminal(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", fmt.Errorf("qr code of %d bytes: %w", len(text), err)
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(blackOnWhite)
		for x := -quiet; x < code.Size+quiet; x++ {
			b.WriteString(cell(code.Black(x, y), code.Black(x, y+1)))
		}
		b.WriteString(reset + "\n")
	}
	return b.String(), nil
}

// cell is the character with these two halves black.
func cell(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}
