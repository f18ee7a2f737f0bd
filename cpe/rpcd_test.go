package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// callRPC runs one call as rpcd does.
func callRPC(t *testing.T, dir, method, args string) map[string]any {
	t.Helper()
	var out, errs bytes.Buffer
	words := []string{"call", method, "--config", dir, "--keys", filepath.Join(dir, "keys"), "--control", filepath.Join(dir, "control.sock")}
	if status := rpcd(words, strings.NewReader(args), &out, &errs); status != 0 {
		t.Fatalf("%s: exit status %d, %s", method, status, errs.String())
	}
	var answer map[string]any
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v in %q", method, err, out.String())
	}
	return answer
}

// The methods that list names are those of the ACL, no more and no less.
func TestRPCMethodsAreThoseOfTheACL(t *testing.T) {
	text, err := os.ReadFile("../luci-app/root/usr/share/rpcd/acl.d/luci-app-tandem.json")
	if err != nil {
		t.Fatal(err)
	}
	type part struct {
		Ubus map[string][]string `json:"ubus"`
	}
	var acl map[string]struct{ Read, Write part }
	if err := json.Unmarshal(text, &acl); err != nil {
		t.Fatal(err)
	}
	app := acl["luci-app-tandem"]
	granted := slices.Concat(app.Read.Ubus["luci.tandem"], app.Write.Ubus["luci.tandem"])
	slices.Sort(granted)
	var known []string
	for m := range rpcMethods {
		known = append(known, m)
	}
	slices.Sort(known)
	if !slices.Equal(granted, known) {
		t.Errorf("the ACL grants %v, rpcd offers %v", granted, known)
	}
	for _, changes := range []string{"join", "check"} {
		if slices.Contains(app.Read.Ubus["luci.tandem"], changes) {
			t.Errorf("%s can be called with the right to read", changes)
		}
	}
}

func TestRPCWithoutDaemon(t *testing.T) {
	dir := t.TempDir()
	for _, method := range []string{"status"} {
		if got := callRPC(t, dir, method, "{}"); got["kind"] != "not-running" {
			t.Errorf("%s: %v, want kind not-running", method, got)
		}
	}
	if got := callRPC(t, dir, "validate", ""); got["valid"] != false {
		t.Errorf("validate without a file: %v", got)
	}
	if got := callRPC(t, dir, "progress", ""); got["running"] != false {
		t.Errorf("progress without a check: %v", got)
	}
	if got := callRPC(t, dir, "schema", ""); got["sections"] == nil {
		t.Errorf("schema: %v", got)
	}
}

// A bad line is refused in words, changes nothing, and is quoted nowhere.
func TestRPCJoinRefuses(t *testing.T) {
	dir := t.TempDir()
	secret := "tandem://" + strings.Repeat("SECRETsecret", 20)
	for _, args := range []string{
		fmt.Sprintf(`{"line": %q}`, secret), fmt.Sprintf(`{"line": [%q]}`, secret), secret,
		`{"line": ""}`, `{}`, `{"line": "https://example.net"}`, "{\"line\": \"tandem://\\u0000\"}",
	} {
		got := callRPC(t, dir, "join", args)
		text := fmt.Sprint(got)
		if got["error"] == nil || got["kind"] != "failed" || strings.Contains(text, "SECRET") {
			t.Errorf("join %.30s: %s", args, text)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestRPCRefusesMisuse(t *testing.T) {
	for _, args := range [][]string{{}, {"call"}, {"call", "reboot"}, {"call", "status", "more"}, {"list", "--nonsense"}} {
		var out, errs bytes.Buffer
		if status := rpcd(args, strings.NewReader(""), &out, &errs); status != 2 || out.Len() > 0 {
			t.Errorf("%q: exit status %d, output %q", args, status, out.String())
		}
	}
}
