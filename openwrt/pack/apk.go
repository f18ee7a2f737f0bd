package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// apkTool is the apk program (version 3) of the machine that packs, from
// OpenWrt's SDK or from apk-tools, and the PEM key it signs with.
type apkTool struct {
	program string
	key     string
}

// pack writes one .apk. What OpenWrt's own packages carry besides their files
// (lists for sysupgrade and default_postinst) is made here too.
func (a apkTool) pack(dir string, p pkg) error {
	stage, err := os.MkdirTemp("", "tandem-apk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	files := filepath.Join(stage, "files")
	for _, e := range withFolders(append(p.apkLists(), p.entries...)) {
		at := filepath.Join(files, e.path)
		if e.dir {
			err = os.MkdirAll(at, 0o755)
		} else {
			err = os.WriteFile(at, e.data, 0o644)
		}
		if err == nil {
			err = os.Chmod(at, os.FileMode(e.mode)) // the umask has had its say
		}
		if err == nil {
			err = os.Chtimes(at, p.date, p.date)
		}
		if err != nil {
			return err
		}
	}
	arch := p.arch
	if arch == "all" {
		arch = "noarch"
	}
	args := []string{"mkpkg", "--sign-key", a.key,
		"--info", "name:" + p.name, "--info", "version:" + p.version,
		"--info", "description:" + p.title, "--info", "arch:" + arch, "--info", "license:" + license,
		"--info", "origin:feeds/tandem/" + p.name, "--info", "url:" + url, "--info", "maintainer:" + maintainer,
		"--info", "depends:" + strings.Join(p.depends, " "),
		"--files", files, "--output", filepath.Join(dir, p.apkName()),
	}
	for name, text := range p.apkScripts() {
		at := filepath.Join(stage, name)
		if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
			return err
		}
		args = append(args, "--script", name+":"+at)
	}
	return a.run(dir, args...)
}

// index writes packages.adb, which is what a router is told to fetch. The
// packages are those just made: this machine need not trust the key.
func (a apkTool) index(dir string, names []string) error {
	args := []string{"mkndx", "--allow-untrusted", "--sign-key", a.key, "--output", "packages.adb"}
	return a.run(dir, append(args, names...)...)
}

func (a apkTool) run(dir string, args ...string) error {
	cmd := exec.Command(a.program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", a.program, args[0], err, out)
	}
	return nil
}

func (p pkg) apkName() string { return p.name + "-" + p.version + ".apk" }

// apkLists are the files below /lib/apk/packages that OpenWrt's scripts read.
func (p pkg) apkLists() []entry {
	var list, conffiles, static strings.Builder
	sorted := append([]entry(nil), p.entries...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].path < sorted[j].path })
	for _, e := range sorted {
		if !e.dir {
			fmt.Fprintln(&list, e.path)
		}
		for _, c := range p.conffiles {
			if c == e.path {
				sum := sha256.Sum256(e.data)
				fmt.Fprintf(&static, "%s %s\n", c, hex.EncodeToString(sum[:]))
			}
		}
	}
	for _, c := range p.conffiles {
		fmt.Fprintln(&conffiles, c)
	}
	base := "/lib/apk/packages/" + p.name
	all := []entry{{path: base + ".list", mode: 0o644, data: []byte(list.String())}}
	if len(p.conffiles) > 0 {
		all = append(all,
			entry{path: base + ".conffiles", mode: 0o644, data: []byte(conffiles.String())},
			entry{path: base + ".conffiles_static", mode: 0o644, data: []byte(static.String())})
	}
	if p.user != "" {
		all = append(all, entry{path: base + ".rusers", mode: 0o644, data: []byte(p.user + "\n")})
	}
	return all
}

// apkScripts do what the wrappers of an .ipk do.
func (p pkg) apkScripts() map[string]string {
	head := "#!/bin/sh\n[ \"${IPKG_NO_SCRIPT}\" = \"1\" ] && exit 0\n[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0\n. ${IPKG_INSTROOT}/lib/functions.sh\nexport root=\"${IPKG_INSTROOT}\"\nexport pkgname=\"" + p.name + "\"\n"
	// In a shell of its own: a script that exits must not end the rest.
	body := func(script string) string {
		if script == "" {
			return ""
		}
		return "(\n" + strings.TrimPrefix(script, "#!/bin/sh\n") + ")\n"
	}
	post := head + "add_group_and_user\ndefault_postinst\n" + body(p.postinst)
	return map[string]string{
		"post-install":  post,
		"post-upgrade":  "#!/bin/sh\nexport PKG_UPGRADE=1\n" + strings.TrimPrefix(post, "#!/bin/sh\n"),
		"pre-deinstall": head + body(p.prerm) + "default_prerm\n",
	}
}
