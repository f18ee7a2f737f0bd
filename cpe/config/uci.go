package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// DefaultDir is where OpenWrt keeps UCI files.
	DefaultDir = "/etc/config"
	// FileName is the file in that folder which this package reads.
	FileName = "tandem"
	// maxFile bounds the file; 10,000 bypass prefixes take 0.4 MB.
	maxFile = 4 << 20
	// maxSections and maxOptions bound go-uci's time, which grows with the
	// square of both.
	maxSections = 1000
	maxOptions  = 100
)

// Load reads dir/tandem. Errors about what is in the file are *Error values,
// joined when there are several.
func Load(dir string) (*Config, error) {
	f, err := os.Open(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(FileName, f)
}

// Parse is Load for an open file; file is its name in errors.
func Parse(file string, r io.Reader) (*Config, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", file, err)
	}
	if len(text) > maxFile {
		return nil, &Error{File: file, Msg: fmt.Sprintf("file is larger than %d bytes", maxFile)}
	}
	statements, err := lex(file, string(text))
	if err != nil {
		return nil, err
	}
	f := &faults{file: file}
	sections := structure(f, statements)
	if err := readValues(sections); err != nil {
		return nil, &Error{File: file, Msg: err.Error()}
	}
	c := decode(f, sections).config(f)
	if err := f.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// section is one "config" statement and what belongs to it.
type section struct {
	typ, name string // name is empty for an anonymous section
	line      int
	options   []*option
}

// option is all statements of one name in a section.
type option struct {
	name   string
	list   bool
	line   int
	values []word // one for an option; "" there means unset, as in libuci
	seen   map[string]bool
}

// structure groups statements and refuses what has two readings. libuci would
// merge sections of one name and let the last of two options win; in a file
// written by hand either is a mistake.
func structure(f *faults, statements []statement) []*section {
	var all []*section
	var current *section
	named := map[string]*section{}
	for _, s := range statements {
		if !f.arguments(s) {
			if s.keyword == "config" {
				current = &section{} // what follows is checked, then dropped with the file
			}
			continue
		}
		switch s.keyword {
		case "package": // libuci ignores it in a file of its own
		case "config":
			current = &section{typ: s.args[0].text, line: s.line}
			if len(s.args) == 2 {
				current.name = s.args[1].text
			}
			if len(all) == maxSections {
				f.add(s.line, "more than %d sections", maxSections)
				return all
			}
			all = append(all, current)
			if current.name == "" {
				continue
			}
			if first := named[current.name]; first != nil {
				f.add(s.line, "section %q: the name is taken by line %d", clip(current.name), first.line)
				continue
			}
			named[current.name] = current
		default:
			if current == nil {
				f.add(s.line, "%s before the first config line", s.keyword)
				continue
			}
			f.append(current, s)
		}
	}
	return all
}

// arguments checks number and characters of a statement's words.
func (f *faults) arguments(s statement) bool {
	most := map[string]int{"package": 1, "config": 2, "option": 2, "list": 2}[s.keyword]
	switch {
	case len(s.args) == 0 || s.args[0].text == "":
		f.add(s.line, "%s without a name", s.keyword)
	case len(s.args) > most:
		f.add(s.line, "%s %q: too many words: a value with spaces needs quotes", s.keyword, clip(s.args[0].text))
	case s.keyword == "config" && !validName(s.args[0].text, "-"):
		f.add(s.line, "section type %q: only letters, digits, _ and - are allowed", clip(s.args[0].text))
	case s.keyword == "config" && len(s.args) == 2 && s.args[1].text != "" && !validName(s.args[1].text, ""):
		f.add(s.line, "section name %q: only letters, digits and _ are allowed", clip(s.args[1].text))
	case (s.keyword == "option" || s.keyword == "list") && !validName(s.args[0].text, ""):
		f.add(s.line, "%s name %q: only letters, digits and _ are allowed", s.keyword, clip(s.args[0].text))
	case s.keyword == "package" && !validName(s.args[0].text, "-"):
		f.add(s.line, "package name %q: only letters, digits, _ and - are allowed", clip(s.args[0].text))
	default:
		return true
	}
	return false
}

// append adds an option or list statement to its section.
func (f *faults) append(sec *section, s statement) {
	value := word{line: s.line}
	if len(s.args) == 2 {
		value = s.args[1]
	}
	name, list := s.args[0].text, s.keyword == "list"
	for _, o := range sec.options {
		switch {
		case o.name != name:
		case !list && !o.list:
			f.add(s.line, "option %q: given twice, first on line %d", name, o.line)
			return
		case list != o.list:
			f.add(s.line, "%q: given as option and as list, first on line %d", name, o.line)
			return
		default:
			o.add(value)
			return
		}
	}
	if len(sec.options) == maxOptions {
		f.add(s.line, "more than %d options in a section", maxOptions)
		return
	}
	o := &option{name: name, list: list, line: s.line, seen: map[string]bool{}}
	o.add(value)
	sec.options = append(sec.options, o)
}

// add appends a value unless the list has it already: all lists here are sets.
func (o *option) add(v word) {
	if !o.seen[v.text] {
		o.seen[v.text] = true
		o.values = append(o.values, v)
	}
}

// validName says whether s is not empty and of letters, digits, '_' and the
// further characters in also.
func validName(s, also string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && !('0' <= c && c <= '9') && c != '_' && !strings.ContainsRune(also, rune(c)) {
			return false
		}
	}
	return s != ""
}
