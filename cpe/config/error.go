package config

import (
	"errors"
	"fmt"

	"tandem/shared/nocmp"
	"tandem/shared/order"
)

// Error is one reason why a file is refused.
type Error struct {
	_    nocmp.Field
	File string // base name of the file
	Line int    // first line is 1; 0 if no line is at fault
	Msg  string // what is wrong and what is allowed
}

// Error gives "tandem:12: option "port": ...".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// faults collects what is wrong with one file, so that a user with three
// mistakes corrects all three at once.
type faults struct {
	file string
	errs []*Error
}

// maxFaults bounds what a file full of mistakes may write to the log.
const maxFaults = 20

func (f *faults) add(line int, format string, args ...any) {
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, &Error{File: f.file, Line: line, Msg: fmt.Sprintf(format, args...)})
	}
}

// err joins all, by line; nil if there are none.
func (f *faults) err() error {
	order.Slice(f.errs, func(i, j int) bool { return f.errs[i].Line < f.errs[j].Line })
	errs := make([]error, len(f.errs))
	for i, e := range f.errs {
		errs[i] = e
	}
	return errors.Join(errs...)
}
