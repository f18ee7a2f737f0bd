package control

import (
	"fmt"
	"io"

	"tandem/shared/smalljson"
)

// Ask sends one request and decodes the answer into a T.
func Ask[T any](path string, words ...string) (answer T, err error) {
	raw, err := Call(path, words...)
	if err != nil {
		return answer, err
	}
	if err := smalljson.Unmarshal(raw, &answer); err != nil {
		return answer, fmt.Errorf("the daemon answers something else than expected: %w", err)
	}
	return answer, nil
}

// PrintJSON writes v for programs and people alike: indented, with a newline.
func PrintJSON(w io.Writer, v any) error {
	text, err := smalljson.MarshalIndent(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// Line is v as one line of JSON.
func Line(v any) ([]byte, error) {
	text, err := smalljson.Marshal(v)
	return append(text, '\n'), err
}
