package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// From one host to another: what was there goes, what was packed comes.
func TestRoundTrip(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	files := map[string]string{"usage.json": "{}", "clients/home.toml": "key", "clients/work.toml": "other"}
	put := func(state, name, text string) {
		path := filepath.Join(state, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		put(from, name, text)
	}
	put(from, "nonces", "not kept")
	put(to, "clients/first.toml", "goes")
	put(to, "clients/home.toml", "changes")

	c := Content{ConfigName: []byte("mark = 0\n")}
	if err := c.Collect(from); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, c); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := got.Restore(to); err != nil {
		t.Fatal(err)
	}
	there := map[string]string{}
	for _, pattern := range []string{"*.json", "nonces", "clients/*"} {
		names, _ := filepath.Glob(filepath.Join(to, pattern))
		for _, name := range names {
			text, _ := os.ReadFile(name)
			rel, _ := filepath.Rel(to, name)
			there[rel] = string(text)
		}
	}
	if diff := cmp.Diff(files, there); diff != "" {
		t.Errorf("restored (-want +got)\n%s", diff)
	}
}

func TestReadRefuses(t *testing.T) {
	pack := func(headers ...tar.Header) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		for _, h := range headers {
			h.Mode = 0o600
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(make([]byte, h.Size))
		}
		w.Close()
		z.Close()
		return b.Bytes()
	}
	config := tar.Header{Name: ConfigName, Size: 4}
	whole := pack(config, tar.Header{Name: "clients/a", Size: 1000})
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // the checksum
	for name, tt := range map[string]struct {
		in   []byte
		want string
	}{
		"empty":         {nil, "not a backup"},
		"text":          {[]byte("hello there"), "not a backup"},
		"way out":       {pack(config, tar.Header{Name: "clients/../../etc/passwd"}), "it holds"},
		"hidden":        {pack(config, tar.Header{Name: "clients/.daemon"}), "it holds"},
		"link":          {pack(config, tar.Header{Name: "clients/a", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "it holds"},
		"no config":     {pack(tar.Header{Name: "clients/a"}), "has no"},
		"truncated":     {whole[:len(whole)/2], "damaged"},
		"bit flipped":   {flipped, "damaged"},
		"half checksum": {whole[:len(whole)-2], "damaged"},
	} {
		if _, err := Read(bytes.NewReader(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
