// Package smalljson writes and reads JSON for the control socket, in a tenth
// of the code of encoding/json: that package and what only it uses take 0.2 MB
// of a router's program.
//
// It knows what status reports are made of: structs with json tags (name,
// omitempty, "-", embedded structs), strings, numbers, booleans, slices,
// arrays, maps with string keys, pointers, any, what has MarshalText, and (read
// as well) time.Time and netip's types. Anything else is an error.
// Where both can do it, the bytes are those of encoding/json without HTML
// escapes; the tests compare the two. Reading differs: the case of names counts,
// a time is what RFC 3339 says, and of a number with a fraction 15 digits are sure.
package smalljson
