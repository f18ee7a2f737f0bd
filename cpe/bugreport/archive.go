// Package bugreport makes the archive that goes with a bug report: an uncompressed
// tar of small texts (archive.go) from which secrets were removed (scrub.go).
package bugreport

import (
	"fmt"
	"time"
)

// Archive is a tar file in the making, of the ustar format (POSIX.1-1988).
// Package archive/tar would read all formats there are, too, which is 60 kB of a
// router's program.
type Archive struct {
	Time time.Time // of all files
	text []byte
}

const block = 512

// Add appends a file. Its name has at most 100 bytes.
func (a *Archive) Add(name, content string) {
	var header [block]byte
	put := func(at int, text string) { copy(header[at:], text) }
	put(0, name)
	put(100, "0000600\x00")                           // mode
	put(108, "0000000\x000000000\x00")                // user, group
	put(124, fmt.Sprintf("%011o\x00", len(content)))  // size
	put(136, fmt.Sprintf("%011o\x00", a.Time.Unix())) // time
	put(148, "        0")                             // checksum as it counts itself, type
	put(257, "ustar\x0000")                           // format
	put(265, "root\x00")                              // user's name
	put(297, "root\x00")                              // group's name
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	put(148, fmt.Sprintf("%06o\x00 ", sum))
	a.text = append(a.text, header[:]...)
	a.text = append(a.text, content...)
	a.text = append(a.text, make([]byte, (block-len(content)%block)%block)...)
}

// String is the whole archive.
func (a *Archive) String() string {
	return string(a.text) + string(make([]byte, 2*block))
}
