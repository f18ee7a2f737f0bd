package keys

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/shared/credential"
)

func TestStoreLoadRemove(t *testing.T) {
	f := Folder(filepath.Join(t.TempDir(), "tandem", "keys"))
	id, key := credential.NewKey()
	other, otherKey := credential.NewKey()
	if err := f.Remove(id); err != nil {
		t.Errorf("remove without a folder: %v", err)
	}
	if _, err := f.Load(id); err == nil || !strings.Contains(err.Error(), "tandem-cpe join") {
		t.Errorf("load without a folder: %v, want advice", err)
	}
	for range 2 {
		if err := f.Store(id, key); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Store(other, otherKey); err != nil {
		t.Fatal(err)
	}
	got, err := f.LoadAll([]credential.KeyID{id, other})
	if err != nil || !got[id].Equal(key) || !got[other].Equal(otherKey) {
		t.Errorf("stored keys read as others, %v", err)
	}
	for path, want := range map[string]os.FileMode{string(f): 0o700, f.path(id): 0o600} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, fi.Mode(), err, want)
		}
	}
	for range 2 {
		if err := f.Remove(id); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.LoadAll([]credential.KeyID{id, other}); err == nil || strings.Contains(err.Error(), other.String()) {
		t.Errorf("load of a removed key and one that is there: %v", err)
	}
	if err := f.Store(id, credential.Key{}); err == nil {
		t.Error("stored no key")
	}
}

func TestLoadRefuses(t *testing.T) {
	id, key := credential.NewKey()
	secret := hex.EncodeToString(key.Reveal(nil))
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string // "": taken
	}{
		{"bare digits", secret, 0o600, ""},
		{"read-only", secret + "\n", 0o400, ""},
		{"comments, spaces, capitals", "# mine\r\n\n \t# x\n  " + strings.ToUpper(secret) + "\t\r\n#", 0o600, ""},
		{"readable by the group", secret, 0o640, "mode is 0640"},
		{"readable by all", secret, 0o604, "mode is 0604"},
		{"empty", "", 0o600, "64 hexadecimal digits"},
		{"too short", secret[1:], 0o600, "64 hexadecimal digits"},
		{"too long", secret + "0", 0o600, "64 hexadecimal digits"},
		{"two", secret + "\n" + secret, 0o600, "64 hexadecimal digits"},
		{"comment behind it", secret + " # mine", 0o600, "64 hexadecimal digits"},
		{"no digits", "g" + secret[1:], 0o600, "64 hexadecimal digits"},
		{"zeros", strings.Repeat("0", 64), 0o600, "all zeros"},
		{"endless", secret + strings.Repeat("\n", maxFile), 0o600, "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Folder(t.TempDir())
			if err := os.WriteFile(f.path(id), []byte(tt.text), tt.mode); err != nil {
				t.Fatal(err)
			}
			got, err := f.Load(id)
			if tt.want == "" {
				if err != nil || !got.Equal(key) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), f.path(id)) {
				t.Errorf("error %v, want %q and the path", err, tt.want)
			}
			if strings.Contains(strings.ToLower(err.Error()), secret[1:30]) {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}
