package config

import (
	"fmt"
	"slices"
	"strings"

	"tandem/shared/nocmp"
	"tandem/shared/order"
)

// edit is a UCI file that is changed at a few places. Every byte elsewhere
// stays: comments, order, spelling.
type edit struct {
	text     string
	eol      string // as the file has it
	sections []*block
	cuts     []cut
}

// block is a section as it stands in the file.
type block struct {
	head  statement
	lines []statement // options and lists
}

// cut replaces text[from:to].
type cut struct {
	_        nocmp.Field
	from, to int
	with     string
}

// newEdit takes a file apart, or says why it cannot be read.
func newEdit(file, text string) (*edit, error) {
	e := &edit{text: text, eol: "\n"}
	if i := strings.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		e.eol = "\r\n"
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		e.text += e.eol // so that each statement has a line of its own
	}
	statements, err := lex(file, e.text)
	if n := len(statements); err == nil && n > 0 && statements[n-1].end == len(e.text) {
		e.text += e.eol // a backslash took the other
		statements, err = lex(file, e.text)
	}
	if err != nil {
		return nil, err
	}
	f := &faults{file: file}
	structure(f, statements)
	if err := f.err(); err != nil {
		return nil, err
	}
	for _, s := range statements {
		switch s.keyword {
		case "config":
			e.sections = append(e.sections, &block{head: s})
		case "option", "list":
			last := e.sections[len(e.sections)-1]
			last.lines = append(last.lines, s)
		}
	}
	return e, nil
}

func (b *block) typ() string { return b.head.args[0].text }

func (b *block) name() string {
	if len(b.head.args) < 2 {
		return ""
	}
	return b.head.args[1].text
}

// find returns the section of that type and name, nil if there is none.
func (e *edit) find(typ, name string) *block {
	for _, b := range e.sections {
		if b.typ() == typ && b.name() == name {
			return b
		}
	}
	return nil
}

// named returns the statements of one option or list.
func (b *block) named(option string) (all []statement) {
	for _, s := range b.lines {
		if s.args[0].text == option {
			all = append(all, s)
		}
	}
	return all
}

// value returns what an option says, "" if it is not set.
func (b *block) value(option string) string {
	for _, s := range b.named(option) {
		return s.value()
	}
	return ""
}

func (s statement) value() string {
	if len(s.args) < 2 {
		return ""
	}
	return s.args[1].text
}

// set gives an option a value, where it stands or behind what the section says
// last. Values are plain words here: no quote needs escaping.
func (e *edit) set(b *block, option, value string) {
	if there := b.named(option); len(there) > 0 {
		e.replace(there[0], value)
		return
	}
	e.add(b, "option", option, value)
}

// replace changes the value of a statement.
func (e *edit) replace(s statement, value string) {
	if len(s.args) < 2 {
		at := s.args[0].end
		e.cuts = append(e.cuts, cut{from: at, to: at, with: " '" + value + "'"})
		return
	}
	e.cuts = append(e.cuts, cut{from: s.args[1].pos, to: s.args[1].end, with: "'" + value + "'"})
}

// add writes one more statement at the end of a section.
func (e *edit) add(b *block, keyword, option, value string) {
	last := b.head
	indent := "\t"
	if len(b.lines) > 0 {
		last = b.lines[len(b.lines)-1]
		indent = e.indent(last)
	}
	e.insert(last, indent+keyword+" "+option+" '"+value+"'")
}

// insert writes a line behind a statement's.
func (e *edit) insert(behind statement, line string) {
	at := behind.end + 1 // newEdit made sure of a line end
	e.cuts = append(e.cuts, cut{from: at, to: at, with: line + e.eol})
}

// remove takes a statement away, with its line.
func (e *edit) remove(s statement) {
	e.cuts = append(e.cuts, cut{from: e.lineStart(s), to: s.end + 1})
}

func (e *edit) lineStart(s statement) int { return strings.LastIndexByte(e.text[:s.pos], '\n') + 1 }

// indent is the white space in front of a statement.
func (e *edit) indent(s statement) string {
	space := e.text[e.lineStart(s):s.pos]
	if strings.Trim(space, " \t") != "" {
		return "\t"
	}
	return space
}

// setList makes a list hold these values. Those that it has stay where they
// are, others make room for new ones.
func (e *edit) setList(b *block, list string, values []string) {
	there := b.named(list)
	var missing []string
	for _, v := range values {
		if !slices.ContainsFunc(there, func(s statement) bool { return s.value() == v }) {
			missing = append(missing, v)
		}
	}
	for _, s := range there {
		// "option" is a list of one element: it must become a list for more.
		if s.keyword == "option" && len(values) > 1 {
			e.cuts = append(e.cuts, cut{from: s.pos, to: s.keywordEnd, with: "list"})
		}
		switch {
		case slices.Contains(values, s.value()):
		case len(missing) > 0:
			e.replace(s, missing[0])
			missing = missing[1:]
		default:
			e.remove(s)
		}
	}
	for _, v := range missing {
		if len(there) == 0 {
			e.add(b, "list", list, v)
			continue
		}
		last := there[len(there)-1]
		e.insert(last, e.indent(last)+"list "+list+" '"+v+"'")
	}
}

// append writes a new section at the end of the file.
func (e *edit) append(typ, name string, lines ...string) {
	var b strings.Builder
	if e.text != "" || len(e.cuts) > 0 {
		b.WriteString(e.eol)
	}
	fmt.Fprintf(&b, "config %s '%s'%s", typ, name, e.eol)
	for _, line := range lines {
		b.WriteString("\t" + line + e.eol)
	}
	e.cuts = append(e.cuts, cut{from: len(e.text), to: len(e.text), with: b.String()})
}

// result is the file with all changes.
func (e *edit) result() string {
	order.Slice(e.cuts, func(i, j int) bool {
		a, b := e.cuts[i], e.cuts[j]
		return a.from < b.from || a.from == b.from && a.to < b.to
	})
	var b strings.Builder
	at := 0
	for _, c := range e.cuts {
		b.WriteString(e.text[at:c.from])
		b.WriteString(c.with)
		at = c.to
	}
	b.WriteString(e.text[at:])
	return b.String()
}
