package credential

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMAC(t *testing.T) {
	for n := range 200 {
		key, nonce, message := make([]byte, KeyLen), make([]byte, n%9), make([]byte, 5*n)
		for _, b := range [][]byte{key, nonce, message} {
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
		}
		h := hmac.New(sha256.New, key)
		h.Write(nonce)
		h.Write(message)
		m := newMAC(key)
		if got := m.tag(nonce, message); !bytes.Equal(got[:], h.Sum(nil)[:tagLen]) {
			t.Fatalf("%d bytes: not HMAC-SHA-256", len(message))
		}
	}
}

func TestKeyFrom(t *testing.T) {
	for _, n := range []int{0, 31, 32, 33} { // all zeros
		if k, err := KeyFrom(make([]byte, n)); err == nil || !k.IsZero() {
			t.Errorf("%d zeros are a key", n)
		}
	}
	id, key := NewKey()
	id2, key2 := NewKey()
	if id == id2 || key.Equal(key2) || !key.Equal(key) || key.Equal(Key{}) || !(Key{}).Equal(Key{}) {
		t.Error("new keys are not new")
	}
	same, err := KeyFrom(key.Reveal(nil))
	if err != nil || !same.Equal(key) {
		t.Errorf("revealed and read: %v", err)
	}
	if b := (Key{}).Reveal(nil); b != nil {
		t.Errorf("no key: %x", b)
	}
}

func TestKeyID(t *testing.T) {
	id, _ := NewKey()
	if got, err := ParseKeyID(id.String()); got != id || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", "a0", strings.Repeat("0", 15), strings.Repeat("0", 17), strings.Repeat("g", 16)} {
		if got, err := ParseKeyID(s); err == nil || got != (KeyID{}) {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// Nothing that prints shows the key or what is derived from it.
func TestKeysAreNotPrinted(t *testing.T) {
	_, key := exampleKey(t)
	i := NewIdentity(exampleKey(t))
	holder := struct {
		Key      Key
		key      Key
		keys     []Key
		byName   map[string]Key
		identity *Identity
		value    Identity
		signer   *Signer
	}{key, key, []Key{key}, map[string]Key{"a": key}, i, *i, &Signer{Identity: i}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%c", "%U"} {
		for _, x := range []any{key, &key, holder, &holder, i, *i, holder.signer, []Key{key}, [1]*Key{&key}, *i.macs() == (macs{})} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "key", key, "pointer", &key, "holder", holder, "identity", i)
	}
	if b, err := json.Marshal(holder); err == nil {
		out.Write(b)
	}
	macs := i.macs()
	secrets := [][]byte{key.Reveal(nil), macs.credential.inner[:32], macs.proof.outer[:32]}
	for _, secret := range secrets {
		for at := 0; at+6 <= len(secret); at++ {
			part := secret[at : at+6]
			decimal := strings.Trim(fmt.Sprint(part), "[]")
			for _, spelling := range []string{string(part), fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), decimal,
				strings.ReplaceAll(decimal, " ", ", "), base64.RawURLEncoding.EncodeToString(part)} {
				if strings.Contains(out.String(), spelling) {
					t.Fatalf("found %q in:\n%s", spelling, out.String())
				}
			}
		}
	}
	if !strings.Contains(out.String(), "[key]") || !strings.Contains(out.String(), i.ID().String()) {
		t.Errorf("neither key nor id are named:\n%s", out.String())
	}
}

func TestIdentityWithoutAKey(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("accepted")
		}
	}()
	NewIdentity(KeyID{}, Key{})
}
