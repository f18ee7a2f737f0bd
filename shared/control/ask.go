package control

import (
	"encoding/json"
	"fmt"
	"io"
)

// Ask sends one request and decodes the answer into a T.
func Ask[T any](path string, words ...string) (answer T, err error) {
	raw, err := Call(path, words...)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return answer, fmt.Errorf("the daemon answers something else than expected: %w", err)
	}
	return answer, nil
}

// PrintJSON writes v for programs and people alike: indented, with a newline.
func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
