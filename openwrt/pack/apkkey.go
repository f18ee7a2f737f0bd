package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// apkPublic returns, as PEM, the public half of the key at path, by which apk
// signs: elliptic, prime256v1, as that of OpenWrt's own feeds. A key is made
// there if there is none.
func apkPublic(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = newAPKKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	for block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam puts it first
		block, _ = pem.Decode(text[len(pem.EncodeToMemory(block)):])
	}
	if block == nil {
		return nil, fmt.Errorf("signing key %q: not PEM", path)
	}
	private, err := parseEC(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("signing key %q: %w", path, err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

// parseEC reads what openssl writes, by ecparam or by genpkey.
func parseEC(der []byte) (*ecdsa.PrivateKey, error) {
	private, err := x509.ParseECPrivateKey(der)
	if err != nil {
		any, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, err
		}
		private, _ = any.(*ecdsa.PrivateKey)
	}
	if private == nil || private.Curve != elliptic.P256() {
		return nil, errors.New("want an elliptic key, prime256v1: apk on OpenWrt takes no other")
	}
	return private, nil
}

func newAPKKey(path string) ([]byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	return text, os.WriteFile(path, text, 0o600)
}
