package clients

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"tandem/shared/credential"
)

// outer has a client where printers look and where they should not.
type outer struct {
	Client  *Client
	inner   Client
	secret  credential.Key
	pointer *credential.Key
	list    []Key
}

// Whatever is printed, logged, marshalled or said in an error, the secret is
// not in it, in no spelling.
func TestSecretStaysSecret(t *testing.T) {
	f := newStore(t)
	var log bytes.Buffer
	f.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	add(t, f, Client{Name: "home"})
	c, err := f.Rotate("home", false)
	if err != nil {
		t.Fatal(err)
	}
	reload(t, f)
	e, _ := f.Lookup(c.Keys[1].ID)
	var out strings.Builder

	s := c.Keys[0].Secret
	o := outer{c, *c, s, &s, c.Keys}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%o", "%b", "%c", "%U", "%t", "%p", "%T", "%10.5s", "%!"} {
		for _, v := range []any{s, &s, c, *c, c.Keys, c.Keys[0], o, &o, e, []any{s, o}, map[string]any{"k": o}, f, *f.table.Load()} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "secret", s, "client", c, "value", *c, "keys", c.Keys, "outer", o, "entry", e, slog.Group("g", "s", &s))
	}
	for _, v := range []any{s, c, o, e, f.Problems(), f.Clients(), map[string]credential.Key{"a": s}} {
		text, err := json.Marshal(v)
		fmt.Fprintln(&out, string(text), err)
		text, err = toml.Marshal(map[string]any{"v": v})
		fmt.Fprintln(&out, string(text), err)
	}
	fmt.Fprintln(&out, fmt.Errorf("wrapped %v %w", s, errors.Join(fmt.Errorf("%+v", o))), cmp.Diff(c.Keys[0].Secret.String(), ""))

	// Errors about a file in which every byte in turn is broken or cut off.
	file := filepath.Join(f.Path, "home.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		for _, b := range []byte{'"', '\n', 'g', '=', 0, 0xff, '[', '#', '\\'} {
			broken := bytes.Clone(text)
			broken[i] = b
			_, err := parse(broken, "home")
			fmt.Fprintln(&out, err)
		}
		_, err := parse(text[:i], "home")
		fmt.Fprintln(&out, err)
	}
	if err := os.WriteFile(file, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_ = f.Reload()
	f.Used(e)
	f.settle()
	fmt.Fprintln(&out, second(f.Show("home")), second(f.Rotate("home", true)), second(f.Add(*c)), f.Problems())
	out.Write(log.Bytes())

	for _, k := range c.Keys {
		bits := k.Secret.Reveal(nil)
		for name, spelling := range map[string]string{
			"raw": string(bits[:8]), "hex": hex.EncodeToString(bits[:6]), "HEX": strings.ToUpper(hex.EncodeToString(bits[:6])),
			"end": hex.EncodeToString(bits[26:]), "decimal": fmt.Sprintf("%d %d %d %d", bits[0], bits[1], bits[2], bits[3]),
			"go": fmt.Sprintf("%#v, %#v, %#v", bits[0], bits[1], bits[2]), "spaced": fmt.Sprintf("% x", bits[:4]),
			"base64": base64.StdEncoding.EncodeToString(bits)[:12], "url": base64.URLEncoding.EncodeToString(bits)[:12],
		} {
			if strings.Contains(out.String(), spelling) {
				t.Errorf("secret found, spelled %s", name)
			}
		}
	}
	if n := out.Len(); n < 100_000 {
		t.Errorf("only %d bytes looked at", n)
	}
}
