package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// openssl, whose library apk signs and verifies with, takes our keys, and we
// take openssl's; other kinds are refused here and not by a router.
func TestAPKKey(t *testing.T) {
	dir := t.TempDir()
	openssl := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("openssl %v: %v", args, err)
		}
		return out
	}
	ours := filepath.Join(dir, "ours.pem")
	public, err := apkPublic(ours)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := apkPublic(ours); err != nil || string(again) != string(public) {
		t.Errorf("the second time: %v\n%s", err, again)
	}
	if fi, err := os.Stat(ours); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode of the secret key: %v %v", fi.Mode(), err)
	}
	if got := openssl("pkey", "-in", "ours.pem", "-pubout"); string(got) != string(public) {
		t.Errorf("openssl makes the public key\n%s, we\n%s", got, public)
	}
	if err := os.WriteFile(filepath.Join(dir, "ours.pub"), public, 0o644); err != nil {
		t.Fatal(err)
	}
	openssl("dgst", "-sha512", "-sign", "ours.pem", "-out", "sig", "ours.pub")
	openssl("dgst", "-sha512", "-verify", "ours.pub", "-signature", "sig", "ours.pub")

	for name, args := range map[string][]string{
		"ecparam": {"ecparam", "-name", "prime256v1", "-genkey"},
		"genpkey": {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
	} {
		openssl(append(args, "-out", name)...)
		got, err := apkPublic(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := openssl("pkey", "-in", name, "-pubout"); string(got) != string(want) {
			t.Errorf("%s: public key\n%s, want\n%s", name, got, want)
		}
	}
	openssl("genpkey", "-algorithm", "RSA", "-out", "rsa")
	openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", "p384")
	for _, name := range []string{"rsa", "p384", "sig"} {
		if _, err := apkPublic(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
