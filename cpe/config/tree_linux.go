package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/digineo/go-uci"
	"golang.org/x/sys/unix"
)

// readValues reads every value of sections through go-uci and stores what it
// says.
//
// go-uci reads only files in a folder, and misreads or panics on empty values,
// escaped quotes, quoted names, line ends in values and carriage returns (at
// 37c7b10). So it is given the file rewritten into plain statements, in
// anonymous memory: the file may hold secrets, and a crash must leave nothing
// behind. Its answer is checked against the guard's own reading.
func readValues(sections []*section) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("uci reader failed: %v", p)
		}
	}()
	fd, err := unix.MemfdCreate("tandem-uci", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memory for the uci reader: %w", err)
	}
	f := os.NewFile(uintptr(fd), "tandem-uci")
	defer f.Close()
	if _, err := f.WriteString(canonical(sections)); err != nil {
		return fmt.Errorf("memory for the uci reader: %w", err)
	}
	name := strconv.Itoa(fd)
	tree := uci.NewTree("/proc/self/fd")
	if err := tree.LoadConfig(name, true); err != nil {
		return fmt.Errorf("uci reader: %w", err)
	}
	for i, s := range sections {
		for _, o := range s.options {
			got, ok := tree.Get(name, canonicalName(i), o.name)
			if !ok || len(got) != 1 {
				return fmt.Errorf("uci reader lost %q of line %d", o.name, o.line)
			}
			texts := strings.Split(got[0], " ")
			if len(texts) != len(o.values) {
				return fmt.Errorf("uci reader lost a value of %q of line %d", o.name, o.line)
			}
			for j := range texts {
				text, err := unescape(texts[j])
				if err != nil || text != o.values[j].text {
					return fmt.Errorf("uci reader misread %q of line %d", o.name, o.values[j].line)
				}
				o.values[j].text = text
			}
		}
	}
	return nil
}

// canonical writes sections in the dialect that go-uci reads right: all
// sections named, all values quoted, not empty, and of plain characters. A list
// is one value of several words, because go-uci takes quadratic time over lists
// (10 s for 10,000 elements) and drops repeated ones.
func canonical(sections []*section) string {
	var b strings.Builder
	for i, s := range sections {
		fmt.Fprintf(&b, "config %s '%s'\n", s.typ, canonicalName(i))
		for _, o := range s.options {
			fmt.Fprintf(&b, "\toption %s '", o.name)
			for j, v := range o.values {
				if j > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(escape(v.text))
			}
			b.WriteString("'\n")
		}
	}
	return b.String()
}

// canonicalName names the i-th section, so that anonymous and named ones are
// found alike and one type's numbering does not depend on another's.
func canonicalName(i int) string { return "s" + strconv.Itoa(i) }

// escape makes any value a non-empty plain word: '%' first, then bytes outside
// the plain set as %XX.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 1, len(s)+1)
	b[0] = '%'
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(".:/,_-", c) >= 0:
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// unescape undoes escape.
func unescape(s string) (string, error) {
	if !strings.HasPrefix(s, "%") {
		return "", strconv.ErrSyntax
	}
	b := make([]byte, 0, len(s))
	for i := 1; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", strconv.ErrSyntax
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", err
		}
		b = append(b, byte(c))
		i += 2
	}
	return string(b), nil
}
