package smalljson

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"

	"tandem/shared/order"
)

// maxDepth bounds nesting, both ways.
const maxDepth = 100

// Marshal returns v on one line.
func Marshal(v any) ([]byte, error) {
	w := writer{fields: map[reflect.Type][]field{}}
	if err := w.value(reflect.ValueOf(v), 0); err != nil {
		return nil, err
	}
	return w.out, nil
}

// MarshalIndent returns v as people read it, two spaces a level, without a
// newline at the end.
func MarshalIndent(v any) ([]byte, error) {
	w := writer{fields: map[reflect.Type][]field{}, indent: true}
	if err := w.value(reflect.ValueOf(v), 0); err != nil {
		return nil, err
	}
	return w.out, nil
}

// Raw is JSON already; it is written as it is.
type Raw []byte

type writer struct {
	out    []byte
	indent bool
	level  int // of indentation; depth counts pointers too
	fields map[reflect.Type][]field
}

func (w *writer) value(v reflect.Value, depth int) error {
	if !v.IsValid() {
		w.out = append(w.out, "null"...)
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("json: %s is nested more than %d levels", v.Type(), maxDepth)
	}
	kind := v.Kind()
	if nilable := kind == reflect.Pointer || kind == reflect.Interface; nilable && v.IsNil() {
		w.out = append(w.out, "null"...)
		return nil
	}
	if t, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := t.MarshalText()
		if err != nil {
			return fmt.Errorf("json: %s: %w", v.Type(), err)
		}
		w.text(string(text))
		return nil
	}
	if raw, ok := v.Interface().(Raw); ok {
		w.out = append(w.out, raw...)
		return nil
	}
	switch kind {
	case reflect.Bool:
		w.out = strconv.AppendBool(w.out, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.out = strconv.AppendInt(w.out, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.out = strconv.AppendUint(w.out, v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return w.float(v.Float(), v.Type().Bits())
	case reflect.String:
		w.text(v.String())
	case reflect.Pointer, reflect.Interface:
		return w.value(v.Elem(), depth+1)
	case reflect.Slice:
		if v.IsNil() {
			w.out = append(w.out, "null"...)
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return fmt.Errorf("json: cannot write %s: give its text", v.Type())
		}
		return w.array(v, depth)
	case reflect.Array:
		return w.array(v, depth)
	case reflect.Map:
		if v.IsNil() {
			w.out = append(w.out, "null"...)
			return nil
		}
		return w.object(v, depth)
	case reflect.Struct:
		return w.members(v, depth)
	default:
		return fmt.Errorf("json: cannot write %s", v.Type())
	}
	return nil
}

func (w *writer) array(v reflect.Value, depth int) error {
	w.open('[')
	for i := range v.Len() {
		w.separate(i == 0)
		if err := w.value(v.Index(i), depth+1); err != nil {
			return err
		}
	}
	w.close(v.Len() == 0, ']')
	return nil
}

func (w *writer) object(v reflect.Value, depth int) error {
	if v.Type().Key().Kind() != reflect.String {
		return fmt.Errorf("json: cannot write %s: keys must be strings", v.Type())
	}
	keys := v.MapKeys()
	order.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	w.open('{')
	for i, k := range keys {
		w.separate(i == 0)
		w.name(k.String())
		if err := w.value(v.MapIndex(k), depth+1); err != nil {
			return err
		}
	}
	w.close(len(keys) == 0, '}')
	return nil
}

func (w *writer) members(v reflect.Value, depth int) error {
	fields, known := w.fields[v.Type()]
	if !known {
		fields = fieldsOf(v.Type())
		w.fields[v.Type()] = fields
	}
	w.open('{')
	empty := true
	for _, f := range fields {
		fv := v.FieldByIndex(f.index)
		if f.omitEmpty && isEmpty(fv) {
			continue
		}
		w.separate(empty)
		empty = false
		w.name(f.name)
		if err := w.value(fv, depth+1); err != nil {
			return err
		}
	}
	w.close(empty, '}')
	return nil
}

func (w *writer) open(bracket byte) {
	w.out = append(w.out, bracket)
	w.level++
}

// separate stands before each element, close after the last.
func (w *writer) separate(first bool) {
	if !first {
		w.out = append(w.out, ',')
	}
	w.newline()
}

func (w *writer) close(empty bool, bracket byte) {
	w.level--
	if !empty {
		w.newline()
	}
	w.out = append(w.out, bracket)
}

func (w *writer) newline() {
	if !w.indent {
		return
	}
	w.out = append(w.out, '\n')
	for range w.level {
		w.out = append(w.out, "  "...)
	}
}

func (w *writer) name(s string) {
	w.text(s)
	w.out = append(w.out, ':')
	if w.indent {
		w.out = append(w.out, ' ')
	}
}

func (w *writer) float(f float64, bits int) error {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return fmt.Errorf("json: cannot write the number %v", f)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 {
		if bits == 64 && (abs < 1e-6 || abs >= 1e21) || bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21) {
			format = 'e'
		}
	}
	w.out = strconv.AppendFloat(w.out, f, format, -1, bits)
	if n := len(w.out); format == 'e' && n >= 4 && w.out[n-4] == 'e' && w.out[n-3] == '-' && w.out[n-2] == '0' {
		w.out[n-2] = w.out[n-1] // e-09 is e-9, as in ECMAScript
		w.out = w.out[:n-1]
	}
	return nil
}

func (w *writer) text(s string) {
	const hex = "0123456789abcdef"
	w.out = append(w.out, '"')
	for i, r := range s {
		switch {
		case r == utf8.RuneError && s[i] != 0xef: // a byte that is no UTF-8
			w.out = append(w.out, `\ufffd`...)
		case r == '"' || r == '\\':
			w.out = append(w.out, '\\', byte(r))
		case r == '\n':
			w.out = append(w.out, `\n`...)
		case r == '\r':
			w.out = append(w.out, `\r`...)
		case r == '\t':
			w.out = append(w.out, `\t`...)
		case r == '\b':
			w.out = append(w.out, `\b`...)
		case r == '\f':
			w.out = append(w.out, `\f`...)
		case r < ' ' || r == '\u2028' || r == '\u2029':
			w.out = append(w.out, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			w.out = utf8.AppendRune(w.out, r)
		}
	}
	w.out = append(w.out, '"')
}
