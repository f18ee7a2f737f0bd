package control

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// FuzzExchange: whatever a local program sends, it gets one line of JSON, or
// nothing where it sent no line, and a handler is called with clean words.
func FuzzExchange(f *testing.F) {
	for _, seed := range []string{"", "\n", " \t\r\n", "echo a b\n", "echo\x00a\n", "sing\n", "echo a\necho b\n", "echo \xff\xfe\n", "echo \u2028 \u0085\n",
		strings.Repeat("x", maxRequest) + "\n", "echo " + strings.Repeat("y ", 2000) + "\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		called := false
		s := &Server{Handlers: map[string]Handler{"echo": func(words []string) (any, error) {
			called = true
			for _, w := range words {
				if w == "" || strings.ContainsAny(w, " \t\r\n") || len(w) > maxRequest {
					t.Errorf("handler gets %q", w)
				}
			}
			return words, nil
		}}}
		p := pipe{Reader: bytes.NewReader(in)}
		s.exchange(&p)
		end := bytes.IndexByte(in, '\n')
		line := end >= 0 && end < maxRequest
		if (p.out.Len() > 0) != line || called && !line {
			t.Fatalf("answer %q, handler called: %v", p.out.String(), called)
		}
		if line && (!json.Valid(p.out.Bytes()) || bytes.Count(p.out.Bytes(), []byte("\n")) != 1) {
			t.Fatalf("answer %q", p.out.String())
		}
	})
}

// pipe is one client: what it sends, and what it is sent.
type pipe struct {
	io.Reader
	out bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error) { return p.out.Write(b) }
