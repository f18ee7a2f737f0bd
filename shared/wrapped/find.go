// Package wrapped finds an error among those that an error wraps.
package wrapped

// Find is errors.As, or errors.AsType of Go 1.26, in less code: without
// reflection.
func Find[E error](err error) (found E, ok bool) {
	some(err, func(e error) bool { found, ok = e.(E); return ok })
	return found, ok
}

// some goes through the tree of errors until is says yes.
func some(err error, is func(error) bool) bool {
	if err == nil || is(err) {
		return err != nil
	}
	switch w := err.(type) {
	case interface{ Unwrap() error }:
		return some(w.Unwrap(), is)
	case interface{ Unwrap() []error }:
		for _, inner := range w.Unwrap() {
			if some(inner, is) {
				return true
			}
		}
	}
	return false
}
