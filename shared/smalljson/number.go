package smalljson

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// number returns the text of a number, whose grammar is stricter than that of
// strconv.
func (r *reader) number() (string, error) {
	start := r.pos
	digits := func() bool {
		from := r.pos
		for r.pos < len(r.in) && '0' <= r.in[r.pos] && r.in[r.pos] <= '9' {
			r.pos++
		}
		return r.pos > from
	}
	next := func(of string) bool {
		for i := range len(of) {
			if r.pos < len(r.in) && r.in[r.pos] == of[i] {
				r.pos++
				return true
			}
		}
		return false
	}
	next("-")
	if !next("0") && !digits() {
		return "", errSyntax
	}
	if next(".") && !digits() {
		return "", errSyntax
	}
	if next("eE") {
		next("+-")
		if !digits() {
			return "", errSyntax
		}
	}
	return string(r.in[start:r.pos]), nil
}

func setNumber(v reflect.Value, s string) error {
	switch {
	case v.CanInt():
		n, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("number %s for a %s", s, v.Type())
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(s, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("number %s for a %s", s, v.Type())
		}
		v.SetUint(n)
	case v.CanFloat():
		n := parseFloat(s)
		if math.IsInf(n, 0) || v.OverflowFloat(n) {
			return fmt.Errorf("number %s for a %s", s, v.Type())
		}
		v.SetFloat(n)
	default:
		return fmt.Errorf("number for a %s", v.Type())
	}
	return nil
}

// powers are 10 to the powers of two.
var powers = [...]float64{1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256}

// parseFloat reads what number has let through. Up to 15 digits with an exponent
// of up to 22 are read as strconv.ParseFloat does, others to within 1e-15 of the
// value: what is always right takes 20 kB.
func parseFloat(s string) float64 {
	var digits uint64
	exponent, negative, point := 0, s[0] == '-', false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			point = true
		case c == 'e' || c == 'E':
			n, err := strconv.Atoi(s[i+1:])
			if err != nil || n < -10_000 || n > 10_000 {
				n = 10_000 // beyond all floats, unless there are as many zeros
				if s[i+1] == '-' {
					n = -n
				}
			}
			exponent += n
			i = len(s)
		case !digit(c): // the sign
		case digits > (math.MaxUint64-9)/10:
			if !point {
				exponent++
			}
		default:
			digits = digits*10 + uint64(c-'0')
			if point {
				exponent--
			}
		}
	}
	f := scale(float64(digits), exponent)
	if negative {
		f = -f
	}
	return f
}

// scale returns f times ten to the power of n. Two steps reach the smallest
// floats; they are not all that precise.
func scale(f float64, n int) float64 {
	const most = 300
	if f == 0 {
		return 0
	}
	for n < -most && f != 0 {
		f, n = f/1e300, n+most
	}
	for n > most && !math.IsInf(f, 0) {
		f, n = f*1e300, n-most
	}
	by, left := 1.0, max(n, -n)
	for i, p := range powers {
		if left>>i&1 != 0 {
			by *= p
		}
	}
	if n < 0 {
		return f / by
	}
	return f * by
}
