package smalljson

import (
	"reflect"
	"strings"
)

// field is one member of a struct, by its JSON name.
type field struct {
	name      string
	index     []int
	omitEmpty bool
}

// fieldsOf lists the exported fields of t in the order of the source, those of
// embedded structs in the place of the struct. Of one name the first counts.
func fieldsOf(t reflect.Type) []field {
	var all []field
	taken := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := tagOf(f)
		name, options, _ := strings.Cut(tag, ",")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				if !taken[inner.name] {
					taken[inner.name] = true
					all = append(all, inner)
				}
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if !taken[name] {
			taken[name] = true
			all = append(all, field{name: name, index: []int{i}, omitEmpty: strings.Contains(options, "omitempty")})
		}
	}
	return all
}

// tagOf is f.Tag.Get("json") for tags without a backslash. (That one links how Go
// reads its string literals.)
func tagOf(f reflect.StructField) string {
	_, tag, _ := strings.Cut(string(f.Tag), `json:"`)
	tag, _, _ = strings.Cut(tag, `"`)
	return tag
}

// isEmpty is omitempty's rule.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
