package bugreport

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

var secret = []byte("\x00\xff\x10 a key of 32 bytes, in binary")

func colons(b []byte, sep string) string {
	var parts []string
	for _, c := range b {
		parts = append(parts, fmt.Sprintf("%02x", c))
	}
	return strings.Join(parts, sep)
}

// A secret is found however it is written, and nothing around it is touched.
func TestClean(t *testing.T) {
	s := &Scrubber{}
	s.Know(secret)
	for name, text := range map[string]string{
		"as it is":              string(secret),
		"hexadecimal":           hex.EncodeToString(secret),
		"upper case":            strings.ToUpper(hex.EncodeToString(secret)),
		"with colons":           colons(secret, ":"),
		"with dashes":           strings.ToUpper(colons(secret, "-")),
		"half of it":            hex.EncodeToString(secret[:16]),
		"Base64":                base64.StdEncoding.EncodeToString(secret),
		"Base64 for URLs":       base64.RawURLEncoding.EncodeToString(secret),
		"Base64, behind a byte": base64.StdEncoding.EncodeToString(append([]byte("x"), secret...)),
		"Base64, behind two":    base64.RawURLEncoding.EncodeToString(append(append([]byte("xy"), secret...), "zz"...)),
		"a pairing line":        "tandem://AbC-_d0123456789",
	} {
		got := s.Clean("before '" + text + "' after")
		if !strings.HasPrefix(got, "before '") || !strings.HasSuffix(got, "' after") || !strings.Contains(got, removed) {
			t.Errorf("%s: became %q", name, got)
		}
		core := text[len(text)/3 : 2*len(text)/3]
		if strings.Contains(got, core) {
			t.Errorf("%s: %q is left in %q", name, core, got)
		}
	}
	const harmless = "2001:db8:1:2:3:4:5:6 02:00:5e:00:53:01 00a1b2c3d4e5f607 1f0e7c1a-2b3c-4d5e-8f90-123456789abc a-b c:d 12345678901234567890 ::1 -- :\n"
	if got := s.Clean(harmless); got != strings.Replace(harmless, "1f0e7c1a-2b3c-4d5e-8f90-123456789abc", removed, 1) {
		t.Errorf("what is no secret became %q", got)
	}
}

func TestCleanConfig(t *testing.T) {
	s := &Scrubber{}
	for line, want := range map[string]string{
		"\toption key '00a1b2c3d4e5f607'\n":                               "\toption key '00a1b2c3d4e5f607'\n",
		"\toption key \"00A1B2C3D4E5F607\"\n":                             "\toption key \"00A1B2C3D4E5F607\"\n",
		"\toption key 'not the name of a key'\n":                          "\toption key '(removed)'\n",
		"\toption key 'Zm9vYmFyYmF6'\n":                                   "\toption key '(removed)'\n",
		"\toption cookie '00112233'\n":                                    "\toption cookie '(removed)'\n",
		"\toption 'cookie' \"aabbccdd\"\n":                                "\toption 'cookie' '(removed)'\n",
		"\t# tandem://secret here\n":                                      "\t# tandem://(removed) here\n",
		"\tlist address '2001:db8::1'\n":                                  "\tlist address '2001:db8::1'\n",
		"\toption key '" + strings.Repeat("ab", 32) + "'\n":               "\toption key '(removed)'\n",
		"config concentrator 'home'\n":                                    "config concentrator 'home'\n",
		"\t#\toption note '" + strings.Repeat("AB", 32) + "' and so on\n": "\t#\toption note '(removed)' and so on\n",
	} {
		if got := s.CleanConfig(line); got != want {
			t.Errorf("%q became %q, want %q", line, got, want)
		}
	}
}

// What another program reads is what was put in.
func TestArchive(t *testing.T) {
	a := &Archive{Time: time.Unix(1_800_000_000, 0)}
	want := map[string]string{"r/a.txt": "", "r/config/b": "one byte less than a block " + strings.Repeat("x", 484), "r/c": strings.Repeat("y", 512), "r/d": strings.Repeat("z", 70000)}
	for _, name := range []string{"r/a.txt", "r/config/b", "r/c", "r/d"} {
		a.Add(name, want[name])
	}
	if n := len(a.String()); n%512 != 0 {
		t.Errorf("%d bytes are no whole number of blocks", n)
	}
	r := tar.NewReader(strings.NewReader(a.String()))
	found := 0
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || string(content) != want[h.Name] || h.Mode != 0o600 || !h.ModTime.Equal(a.Time) || h.Typeflag != tar.TypeReg {
			t.Errorf("%q: %d bytes, mode %o, %v, type %c, %v", h.Name, len(content), h.Mode, h.ModTime, h.Typeflag, err)
		}
		found++
	}
	if found != len(want) {
		t.Errorf("%d files, want %d", found, len(want))
	}
	if bytes.Count([]byte(a.String()), []byte("ustar\x0000")) != len(want) {
		t.Error("not of the ustar format")
	}
}
