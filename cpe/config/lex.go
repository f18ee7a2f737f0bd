package config

import (
	"fmt"
	"strings"

	"tandem/shared/nocmp"
)

// word is one argument of a statement, quotes and escapes resolved.
type word struct {
	_        nocmp.Field
	text     string
	line     int // where it begins
	pos, end int // its bytes in the file, quotes included
}

// statement is one line of a UCI file, or several when a quoted word or a
// backslash carries it on.
type statement struct {
	keyword string // "package", "config", "option" or "list"
	args    []word
	line    int

	// The bytes in the file: the keyword, and where the line ends on which the
	// statement does, comment included; the line end itself is not part of it.
	pos, keywordEnd, end int
}

// lexer cuts a file into statements as libuci does (its file.c): keywords end
// at space or tab and can be one letter; single quotes know no escapes; in
// double quotes and outside quotes a backslash keeps the next character or
// joins the next line; quoted parts that touch are one word; '#' outside
// quotes starts a comment anywhere.
type lexer struct {
	file string
	in   string
	pos  int
	line int
}

// lex returns the statements of text, or the first *Error in it.
func lex(file, text string) ([]statement, error) {
	l := &lexer{file: file, in: text, line: 1}
	if i := strings.IndexByte(text, 0); i >= 0 {
		l.line += strings.Count(text[:i], "\n")
		return nil, l.errorf(l.line, "byte 0: not a text file")
	}
	var all []statement
	for {
		s, err := l.statement()
		if err != nil {
			return nil, err
		}
		if s == nil {
			return all, nil
		}
		all = append(all, *s)
	}
}

// statement returns the next one, nil at the end of the file.
func (l *lexer) statement() (*statement, error) {
	for {
		for l.pos < len(l.in) && isSpace(l.in[l.pos]) {
			l.advance()
		}
		if l.pos == len(l.in) {
			return nil, nil
		}
		if l.in[l.pos] != '#' {
			break
		}
		l.skipLine()
	}
	s := &statement{line: l.line, pos: l.pos}
	var err error
	if s.keyword, err = l.keyword(); err != nil {
		return nil, err
	}
	s.keywordEnd = l.pos
	for {
		w, more, err := l.word()
		if err != nil {
			return nil, err
		}
		if !more {
			s.end = l.pos
			return s, nil
		}
		s.args = append(s.args, w)
	}
}

// keyword reads the first word of a statement, which takes no quotes.
func (l *lexer) keyword() (string, error) {
	start := l.pos
	for l.pos < len(l.in) && l.in[l.pos] != ' ' && l.in[l.pos] != '\t' && l.in[l.pos] != '\n' {
		l.pos++
	}
	kw := l.in[start:l.pos]
	if strings.HasPrefix(l.in[l.pos:], "\n") {
		kw = strings.TrimSuffix(kw, "\r")
	}
	switch kw {
	case "p", "package":
		return "package", nil
	case "c", "config":
		return "config", nil
	case "o", "option":
		return "option", nil
	case "l", "list":
		return "list", nil
	default:
		return "", l.errorf(l.line, "unknown keyword %q: a line begins with config, option, list or #", clip(kw))
	}
}

// word reads the next argument; more is false at the end of the statement.
func (l *lexer) word() (w word, more bool, err error) {
	for l.pos < len(l.in) && l.in[l.pos] != '\n' && isSpace(l.in[l.pos]) {
		l.pos++
	}
	if l.pos == len(l.in) || l.in[l.pos] == '\n' {
		return w, false, nil
	}
	if l.in[l.pos] == '#' {
		l.skipLine()
		return w, false, nil
	}
	w.line, w.pos = l.line, l.pos
	var b strings.Builder
	for {
		switch c := l.in[l.pos]; c {
		case '\'', '"':
			if err := l.quoted(&b, c); err != nil {
				return w, false, err
			}
		case ';':
			// libuci drops what follows an unquoted word and its ';' on the
			// same line without a word, so no reading of it is safe.
			return w, false, l.errorf(l.line, "';' outside quotes: put each statement on its own line, or the value in quotes")
		case '\\':
			l.escaped(&b)
		default:
			b.WriteByte(c)
			l.pos++
		}
		if l.pos == len(l.in) || isSpace(l.in[l.pos]) || l.in[l.pos] == '#' {
			w.text, w.end = b.String(), l.pos
			return w, true, nil
		}
	}
}

// quoted reads from one quote to the next; line ends inside are kept.
func (l *lexer) quoted(b *strings.Builder, quote byte) error {
	begun := l.line
	l.pos++
	for l.pos < len(l.in) {
		switch c := l.in[l.pos]; {
		case c == quote:
			l.pos++
			return nil
		case c == '\\' && quote == '"':
			l.escaped(b)
		default:
			b.WriteByte(c)
			l.advance()
		}
	}
	return l.errorf(begun, "quote %c is never closed", quote)
}

// escaped takes a backslash: before a line end both vanish, otherwise the next
// character stands for itself.
func (l *lexer) escaped(b *strings.Builder) {
	l.pos++
	rest := l.in[l.pos:]
	switch {
	case rest == "":
	case strings.HasPrefix(rest, "\n"):
		l.advance()
	case strings.HasPrefix(rest, "\r\n"):
		l.pos++
		l.advance()
	default:
		b.WriteByte(rest[0])
		l.pos++
	}
}

func (l *lexer) skipLine() {
	for l.pos < len(l.in) && l.in[l.pos] != '\n' {
		l.pos++
	}
}

// advance steps over one byte and counts lines.
func (l *lexer) advance() {
	if l.in[l.pos] == '\n' {
		l.line++
	}
	l.pos++
}

func (l *lexer) errorf(line int, format string, args ...any) error {
	return &Error{File: l.file, Line: line, Msg: fmt.Sprintf(format, args...)}
}

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// clip keeps a message short whatever the file holds.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
