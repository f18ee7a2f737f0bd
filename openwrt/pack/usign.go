package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// key signs in the format of usign and OpenBSD's signify: a comment line, then
// base64 of "Ed", 8 bytes that name the key, and what it is: the public key, the
// signature, or the secret key with the (absent) parameters of a password.
type key struct {
	id      [8]byte
	private ed25519.PrivateKey
}

const comment = "untrusted comment: "

// publicPath is where the public half of the key at path is: signify wants them
// named alike, NAME.sec and NAME.pub.
func publicPath(path string) string { return strings.TrimSuffix(path, ".sec") + ".pub" }

// loadKey reads the secret key at path, or makes one there, with its public
// half beside it, if there is none.
func loadKey(path string) (key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(path)
	}
	if err != nil {
		return key{}, err
	}
	k, err := parseKey(string(text))
	if err != nil {
		return k, fmt.Errorf("signing key %q: %w", path, err)
	}
	return k, nil
}

func newKey(path string) (key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return key{}, err
	}
	k := key{private: private}
	rand.Read(k.id[:])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return k, err
	}
	if err := os.WriteFile(path, k.secret(), 0o600); err != nil {
		return k, err
	}
	return k, os.WriteFile(publicPath(path), k.public(), 0o644)
}

// secret is what usign -G writes: no key derivation, 0 rounds, a salt that
// means nothing then, and a checksum of the key.
func (k key) secret() []byte {
	sum := sha512.Sum512(k.private)
	b := []byte("EdBK")
	b = append(b, 0, 0, 0, 0)
	b = append(b, make([]byte, 16)...)
	b = append(b, sum[:8]...)
	b = append(b, k.id[:]...)
	b = append(b, k.private...)
	return wrap("private key "+hex.EncodeToString(k.id[:]), b)
}

func (k key) public() []byte {
	b := append([]byte("Ed"), k.id[:]...)
	b = append(b, k.private.Public().(ed25519.PublicKey)...)
	return wrap("public key "+hex.EncodeToString(k.id[:]), b)
}

// sign returns the content of the signature file.
func (k key) sign(message []byte) []byte {
	b := append([]byte("Ed"), k.id[:]...)
	b = append(b, ed25519.Sign(k.private, message)...)
	return wrap("signed by key "+hex.EncodeToString(k.id[:]), b)
}

func wrap(about string, b []byte) []byte {
	return []byte(comment + about + "\n" + base64.StdEncoding.EncodeToString(b) + "\n")
}

func parseKey(text string) (k key, err error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], comment) {
		return k, errors.New("not a usign key: want a comment line and a line of base64")
	}
	b, err := base64.StdEncoding.DecodeString(lines[1])
	if err != nil {
		return k, err
	}
	if len(b) != 104 || !bytes.Equal(b[:4], []byte("EdBK")) {
		return k, errors.New("not a usign secret key")
	}
	if !bytes.Equal(b[4:8], make([]byte, 4)) {
		return k, errors.New("it has a password: keys for unattended signing have none (usign -G, signify -G -n)")
	}
	copy(k.id[:], b[32:40])
	k.private = bytes.Clone(b[40:])
	if sum := sha512.Sum512(k.private); !bytes.Equal(sum[:8], b[24:32]) {
		return k, errors.New("checksum of the secret key is wrong")
	}
	return k, nil
}
