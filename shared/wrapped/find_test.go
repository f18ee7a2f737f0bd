package wrapped

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestFind(t *testing.T) {
	path := &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}
	for _, err := range []error{
		nil, errors.New("another"), errors.Join(errors.New("a"), errors.New("b")),
		path, fmt.Errorf("read: %w", path), errors.Join(errors.New("a"), fmt.Errorf("%w and %w", errors.New("b"), path)),
	} {
		var want *fs.PathError
		wantOK := errors.As(err, &want)
		if got, ok := Find[*fs.PathError](err); got != want || ok != wantOK {
			t.Errorf("%v: found %v, %v, want %v, %v", err, got, ok, want, wantOK)
		}
		var number syscall.Errno
		wantOK = errors.As(err, &number)
		if got, ok := Find[syscall.Errno](err); got != number || ok != wantOK {
			t.Errorf("%v: found %v, %v, want %v, %v", err, got, ok, number, wantOK)
		}
	}
}
