package config

import (
	"errors"
	"fmt"
)

// Error is one reason why a file is refused.
type Error struct {
	File   string
	Line   int    // first line is 1; 0 if no line is at fault
	Column int    // first byte of a line is 1
	Msg    string // what is wrong and what is allowed
}

// Error gives "tandem-concentrator.toml:12:3: mark: ...".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// faults collects what is wrong with one file, so that a user with three
// mistakes corrects all three at once.
type faults struct {
	file string
	at   places
	errs []error
}

// maxFaults bounds what a file full of mistakes may write to the log.
const maxFaults = 20

// add says what is wrong with a key, such as "client[1].sources[0]".
func (f *faults) add(key, format string, args ...any) {
	f.addAt(f.at.of(key), "%s: %s", key, fmt.Sprintf(format, args...))
}

func (f *faults) addAt(at position, format string, args ...any) {
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, &Error{File: f.file, Line: at.line, Column: at.column, Msg: fmt.Sprintf(format, args...)})
	}
}

func (f *faults) err() error { return errors.Join(f.errs...) }

// clip keeps a message short whatever the file holds.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
