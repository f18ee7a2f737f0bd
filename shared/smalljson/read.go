package smalljson

import (
	"errors"
	"fmt"
	"reflect"
	"unicode/utf16"
	"unicode/utf8"
)

// Unmarshal reads text, which must be one JSON value, into what to points at.
// Members that no field is named for are skipped; null leaves things alone.
// After an error what it points at may hold a part.
func Unmarshal(text []byte, to any) error {
	v := reflect.ValueOf(to)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("json: cannot read into %T", to)
	}
	r := reader{in: text}
	if err := r.value(v.Elem(), 0); err != nil {
		return fmt.Errorf("json: at byte %d: %w", r.pos, err)
	}
	if r.peek(); r.pos < len(r.in) {
		return fmt.Errorf("json: at byte %d: more than one value", r.pos)
	}
	return nil
}

// Valid says whether text is one JSON value.
func Valid(text []byte) bool {
	r := reader{in: text}
	if r.value(reflect.Value{}, 0) != nil {
		return false
	}
	r.peek()
	return r.pos == len(r.in)
}

var (
	errEnd    = errors.New("ends too early")
	errSyntax = errors.New("not JSON")
)

type reader struct {
	in  []byte
	pos int
}

// peek skips white space and returns the next byte, 0 at the end.
func (r *reader) peek() byte {
	for ; r.pos < len(r.in); r.pos++ {
		switch c := r.in[r.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// value reads the next value into v, which is invalid if nobody wants it.
func (r *reader) value(v reflect.Value, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d levels", maxDepth)
	}
	c := r.peek()
	if c == 'n' {
		return r.word("null")
	}
	for v.IsValid() && v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	if v.IsValid() && v.Kind() == reflect.Interface && v.NumMethod() == 0 {
		x, err := r.any(depth)
		if err == nil && x != nil {
			v.Set(reflect.ValueOf(x))
		}
		return err
	}
	switch {
	case c == '{':
		return r.object(v, depth)
	case c == '[':
		return r.array(v, depth)
	case c == '"':
		s, err := r.text()
		if err != nil || !v.IsValid() {
			return err
		}
		return setText(v, s)
	case c == 't' || c == 'f':
		word := map[byte]string{'t': "true", 'f': "false"}[c]
		if err := r.word(word); err != nil || !v.IsValid() {
			return err
		}
		if v.Kind() != reflect.Bool {
			return fmt.Errorf("%s for a %s", word, v.Type())
		}
		v.SetBool(c == 't')
		return nil
	case c == '-' || '0' <= c && c <= '9':
		s, err := r.number()
		if err != nil || !v.IsValid() {
			return err
		}
		return setNumber(v, s)
	case c == 0 && r.pos == len(r.in):
		return errEnd
	}
	return errSyntax
}

// any reads a value whose shape nobody foretold.
func (r *reader) any(depth int) (any, error) {
	var to reflect.Value
	switch c := r.peek(); c {
	case '{':
		to = reflect.ValueOf(new(map[string]any))
	case '[':
		to = reflect.ValueOf(&[]any{})
	case '"':
		to = reflect.ValueOf(new(string))
	case 't', 'f':
		to = reflect.ValueOf(new(bool))
	default:
		to = reflect.ValueOf(new(float64))
	}
	if err := r.value(to.Elem(), depth); err != nil {
		return nil, err
	}
	return to.Elem().Interface(), nil
}

func (r *reader) object(v reflect.Value, depth int) error {
	members := map[string]reflect.Value{}
	isMap := v.IsValid() && v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String
	switch {
	case isMap && v.IsNil():
		v.Set(reflect.MakeMap(v.Type()))
	case isMap || !v.IsValid():
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			members[f.name] = v.FieldByIndex(f.index)
		}
	default:
		return fmt.Errorf("object for a %s", v.Type())
	}
	return r.list('}', func() error {
		if r.peek() != '"' {
			return errSyntax
		}
		name, err := r.text()
		if err != nil {
			return err
		}
		if r.peek() != ':' {
			return errSyntax
		}
		r.pos++
		if !isMap {
			return r.value(members[name], depth+1)
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(e, depth+1); err != nil {
			return err
		}
		key := reflect.New(v.Type().Key()).Elem()
		key.SetString(name)
		v.SetMapIndex(key, e)
		return nil
	})
}

func (r *reader) array(v reflect.Value, depth int) error {
	n := 0
	var slice reflect.Value
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Slice:
		slice = reflect.MakeSlice(v.Type(), 0, 0)
	case v.Kind() == reflect.Array:
		v.SetZero()
	default:
		return fmt.Errorf("array for a %s", v.Type())
	}
	err := r.list(']', func() error {
		var e reflect.Value
		switch {
		case slice.IsValid():
			slice = reflect.Append(slice, reflect.Zero(v.Type().Elem()))
			e = slice.Index(n)
		case v.IsValid() && n < v.Len():
			e = v.Index(n)
		}
		n++
		return r.value(e, depth+1)
	})
	if slice.IsValid() {
		v.Set(slice)
	}
	return err
}

// list reads from an opening bracket to its closing one.
func (r *reader) list(end byte, element func() error) error {
	r.pos++
	if r.peek() == end {
		r.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch r.peek() {
		case ',':
			r.pos++
		case end:
			r.pos++
			return nil
		case 0:
			return errEnd
		default:
			return errSyntax
		}
	}
}

func (r *reader) word(w string) error {
	if len(r.in)-r.pos < len(w) || string(r.in[r.pos:r.pos+len(w)]) != w {
		return errSyntax
	}
	r.pos += len(w)
	return nil
}

// text reads a string. What is no UTF-8 becomes U+FFFD.
func (r *reader) text() (string, error) {
	r.pos++
	var b []byte
	for r.pos < len(r.in) {
		c := r.in[r.pos]
		switch {
		case c == '"':
			r.pos++
			return string(b), nil
		case c < ' ':
			return "", errSyntax
		case c == '\\':
			ch, err := r.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, ch)
		default:
			ch, n := utf8.DecodeRune(r.in[r.pos:])
			r.pos += n
			b = utf8.AppendRune(b, ch)
		}
	}
	return "", errEnd
}

func (r *reader) escape() (rune, error) {
	if r.pos++; r.pos == len(r.in) {
		return 0, errEnd
	}
	c := r.in[r.pos]
	r.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		ch, err := r.hex()
		if err != nil || !utf16.IsSurrogate(ch) {
			return ch, err
		}
		// The second half of a pair follows, or this one stands for nothing.
		if back := r.pos; len(r.in)-r.pos >= 6 && r.in[r.pos] == '\\' && r.in[r.pos+1] == 'u' {
			r.pos += 2
			low, err := r.hex()
			if err != nil {
				return 0, err
			}
			if both := utf16.DecodeRune(ch, low); both != utf8.RuneError {
				return both, nil
			}
			r.pos = back
		}
		return utf8.RuneError, nil
	}
	return 0, errSyntax
}

func (r *reader) hex() (rune, error) {
	if len(r.in)-r.pos < 4 {
		return 0, errEnd
	}
	var n rune
	for _, c := range r.in[r.pos : r.pos+4] {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, errSyntax
		}
	}
	r.pos += 4
	return n, nil
}
