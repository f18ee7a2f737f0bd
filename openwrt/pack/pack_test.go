package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

func demo(t *testing.T) pkg {
	t.Helper()
	program := filepath.Join(t.TempDir(), "tandem-cpe")
	if err := os.WriteFile(program, []byte("not a real program"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := daemon(root, "mips_24kc", program, "1.2.3-r4", time.Unix(1700000000, 0).UTC())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func unzip(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// listing shows a tar as tar -tv would, and returns the files in it.
func listing(t *testing.T, b []byte) (string, map[string][]byte) {
	t.Helper()
	var s strings.Builder
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(unzip(t, b))); ; {
		h, err := r.Next()
		if err == io.EOF {
			return s.String(), files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = data
		fmt.Fprintf(&s, "%c %04o %d:%d %s %s\n", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.UTC().Format(time.DateTime), h.Name)
	}
}

func TestIPK(t *testing.T) {
	p := demo(t)
	file, control, err := p.ipk()
	if err != nil {
		t.Fatal(err)
	}
	outer, parts := listing(t, file)
	data, content := listing(t, parts["./data.tar.gz"])
	meta, scripts := listing(t, parts["./control.tar.gz"])
	// The size of the data is that of our files, which change.
	stable := regexp.MustCompile(`Installed-Size: \d+`).ReplaceAllString(control, "Installed-Size: N")
	got := "# outer\n" + outer + "# data\n" + data + "# control\n" + meta + "# text\n" + stable
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/demo.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/demo.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("testdata/demo.txt (-want +got; UPDATE=1 go test rewrites it):\n%s", diff)
	}
	if string(scripts["./conffiles"]) != "/etc/config/tandem\n" || string(scripts["./control"]) != control {
		t.Errorf("conffiles %q, control %q", scripts["./conffiles"], scripts["./control"])
	}
	if !bytes.HasPrefix(scripts["./prerm-pkg"], []byte("#!/bin/sh\n")) {
		t.Error("no prerm-pkg")
	}
	if string(content["./usr/sbin/tandem-cpe"]) != "not a real program" {
		t.Error("the program is not what was given")
	}
	again, _, err := p.ipk()
	if err != nil || !bytes.Equal(file, again) {
		t.Errorf("built twice, bytes differ (%v)", err)
	}
}

// An .apk's scripts run ours and OpenWrt's, also where ours exits.
func TestAPKScripts(t *testing.T) {
	scripts := demo(t).apkScripts()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	functions := "add_group_and_user() { echo user; }\ndefault_postinst() { echo postinst $pkgname ${PKG_UPGRADE:-0}; }\ndefault_prerm() { echo prerm $pkgname; }\n"
	if err := os.WriteFile(filepath.Join(dir, "lib/functions.sh"), []byte(functions), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"post-install":  "user\npostinst tandem 0\n",
		"post-upgrade":  "user\npostinst tandem 1\n",
		"pre-deinstall": "prerm tandem\n",
	} {
		cmd := exec.Command("sh", "-c", scripts[name])
		cmd.Env = append(os.Environ(), "IPKG_INSTROOT="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %q, %v; want %q", name, out, err, want)
		}
	}
	lists := map[string]string{}
	for _, e := range demo(t).apkLists() {
		lists[filepath.Base(e.path)] = string(e.data)
	}
	if lists["tandem.rusers"] != "tandem:tandem\n" || lists["tandem.conffiles"] != "/etc/config/tandem\n" ||
		!regexp.MustCompile(`^/etc/config/tandem [0-9a-f]{64}\n$`).MatchString(lists["tandem.conffiles_static"]) ||
		!strings.Contains(lists["tandem.list"], "/etc/init.d/tandem\n") {
		t.Errorf("lists: %q", lists)
	}
}

// The feed package's Makefile installs the same files to the same places, and
// has the same dependencies, user and configuration files.
func TestMakefile(t *testing.T) {
	text := readText(filepath.Join(root, "openwrt/tandem/Makefile"))
	var want, got []string
	for _, f := range daemonFiles {
		want = append(want, fmt.Sprintf("%s %s %o", f.source, f.path, f.mode))
	}
	for _, m := range regexp.MustCompile(`\$\(INSTALL_(\w+)\) \./files/(\S+) \$\(1\)(\S+)`).FindAllStringSubmatch(text, -1) {
		got = append(got, fmt.Sprintf("%s %s %o", m[2], m[3], map[string]int{"BIN": 0o755, "DATA": 0o644}[m[1]]))
	}
	sort.Strings(want)
	sort.Strings(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-content.go +Makefile):\n%s", diff)
	}
	depends := regexp.MustCompile(`(?m)^  DEPENDS:=(.*)`).FindStringSubmatch(text)[1]
	for _, d := range daemonDepends[1:] { // libc is implied there
		if !strings.Contains(depends, "+"+d) {
			t.Errorf("DEPENDS %q lacks %s", depends, d)
		}
	}
	for _, s := range []string{"USERID:=tandem:tandem", "conffiles\n/etc/config/tandem\nendef"} {
		if !strings.Contains(text, s) {
			t.Errorf("Makefile lacks %q", s)
		}
	}
	prerm := readText(filepath.Join(root, "openwrt/tandem/files/tandem.prerm"))
	if !strings.Contains(strings.ReplaceAll(text, "$$", "$"), "define Package/tandem/prerm\n"+prerm+"endef") {
		t.Error("Makefile's prerm is not tandem.prerm")
	}
	if strings.Contains(text+strings.Join(daemonDepends, " "), "ip-full") {
		t.Error("depends on ip-full")
	}
}

// The rows follow the rule of OpenWrt's golang-values.mk.
func TestArches(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range arches {
		if seen[a.name] {
			t.Errorf("%s stands twice", a.name)
		}
		seen[a.name] = true
		if a.GOARCH == "arm" {
			cpu, fpu := strings.TrimPrefix(a.name, "arm_"), ""
			if i := strings.LastIndex(cpu, "_"); i >= 0 {
				fpu = cpu[i+1:]
			}
			want := armv7
			switch fpu {
			case "":
				want = armv5
			case "vfp", "vfpv2":
				want = armv6
			}
			if a.target != want {
				t.Errorf("%s is built with %s, want %s", a.name, a.Env, want.Env)
			}
		}
		if strings.HasPrefix(a.GOARCH, "mips") && !strings.HasSuffix(a.Env, "=softfloat") {
			t.Errorf("%s has %s: many such routers have no floating-point unit", a.name, a.Env)
		}
	}
	if len(arches) != 33 {
		t.Errorf("%d architectures, want the 37 of 24.10 and 25.12 less the 4 that Go cannot build", len(arches))
	}
}

func TestFeed(t *testing.T) {
	dir := t.TempDir()
	k, err := loadKey(filepath.Join(dir, "keys", "usign.sec"))
	if err != nil {
		t.Fatal(err)
	}
	p := demo(t)
	pages, err := luci(root, "1.2.3-r4", p.date)
	if err != nil {
		t.Fatal(err)
	}
	if err := feed(dir, append(pages, p), k); err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "Packages"))
	if err != nil {
		t.Fatal(err)
	}
	zipped, err := os.ReadFile(filepath.Join(dir, "Packages.gz"))
	if err != nil || !bytes.Equal(unzip(t, zipped), index) {
		t.Errorf("Packages.gz is not Packages (%v)", err)
	}
	for _, stanza := range strings.Split(strings.TrimSpace(string(index)), "\n\n") {
		name := regexp.MustCompile(`(?m)^Filename: (.*)$`).FindStringSubmatch(stanza)
		size := regexp.MustCompile(`(?m)^Size: (\d+)$`).FindStringSubmatch(stanza)
		if name == nil || size == nil {
			t.Fatalf("no file name or size in\n%s", stanza)
		}
		if fi, err := os.Stat(filepath.Join(dir, name[1])); err != nil || fmt.Sprint(fi.Size()) != size[1] {
			t.Errorf("%s: %v, want %s bytes", name[1], err, size[1])
		}
	}

	// OpenBSD's own program takes the signature, and refuses another file.
	signify := func(args ...string) error {
		cmd := exec.Command("signify-openbsd", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := signify("-V", "-q", "-p", "keys/usign.pub", "-m", "Packages", "-x", "Packages.sig"); err != nil {
		t.Error(err)
	}
	if err := signify("-V", "-q", "-p", "keys/usign.pub", "-m", "Packages.gz", "-x", "Packages.sig"); err == nil {
		t.Error("signature of Packages is good for Packages.gz")
	}

	// Keys go both ways too.
	if err := signify("-S", "-s", "keys/usign.sec", "-m", "Packages", "-x", "theirs.sig"); err != nil {
		t.Errorf("signify does not take our secret key: %v", err)
	}
	if err := signify("-G", "-n", "-p", "their.pub", "-s", "their.sec"); err != nil {
		t.Fatal(err)
	}
	theirs, err := loadKey(filepath.Join(dir, "their.sec"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.sig"), theirs.sign(index), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := signify("-V", "-q", "-p", "their.pub", "-m", "Packages", "-x", "x.sig"); err != nil {
		t.Errorf("signed with signify's key: %v", err)
	}
}
