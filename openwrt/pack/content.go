package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"
)

const (
	license    = "Apache-2.0"
	url        = "https://github.com/tandem-mptcp/tandem"
	maintainer = "The Tandem authors"
)

// daemonFiles says where the files of openwrt/tandem/files go. The Makefile
// beside them installs the same; a test compares the two.
var daemonFiles = []struct {
	source, path string
	mode         int64
}{
	{"tandem.config", "/etc/config/tandem", 0o644},
	{"tandem.init", "/etc/init.d/tandem", 0o755},
	{"tandem.defaults", "/etc/uci-defaults/80-tandem", 0o755},
	{"tandem.hotplug", "/etc/hotplug.d/iface/90-tandem", 0o755},
	{"tandem.sysctl", "/etc/sysctl.d/20-tandem.conf", 0o644},
	{"tandem.keep", "/lib/upgrade/keep.d/tandem", 0o644},
	{"tandem.nft", "/usr/share/nftables.d/chain-pre/input/20-tandem.nft", 0o644},
	{"tandem.acl.json", "/usr/share/acl.d/tandem.json", 0o644},
	{"tandem.capabilities.json", "/etc/capabilities/tandem.json", 0o644},
}

// daemonDepends: TPROXY, the socket and the fib match in the kernel, and the
// program that loads rules, whichever variant of it the image has.
var daemonDepends = []string{"libc", "kmod-nft-fib", "kmod-nft-socket", "kmod-nft-tproxy", "nftables"}

// daemon is package tandem for one architecture, with the binary at program.
func daemon(root, arch, program, version string, date time.Time) (pkg, error) {
	p := pkg{
		name: "tandem", version: version, arch: arch, section: "net", date: date,
		title:       "Bonds two or more WANs over Multipath TCP",
		description: "Carries the TCP connections of LAN hosts over all WANs of this router to a tandem-concentrator.",
		depends:     daemonDepends,
		user:        "tandem:tandem",
		conffiles:   []string{"/etc/config/tandem"},
		prerm:       readText(filepath.Join(root, "openwrt/tandem/files/tandem.prerm")),
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return p, err
	}
	p.entries = append(p.entries, entry{path: "/usr/sbin/tandem-cpe", mode: 0o755, data: binary})
	for _, f := range daemonFiles {
		data, err := os.ReadFile(filepath.Join(root, "openwrt/tandem/files", f.source))
		if err != nil {
			return p, err
		}
		p.entries = append(p.entries, entry{path: f.path, mode: f.mode, data: data})
	}
	return p, nil
}

// luci is luci-app-tandem and its translations, laid out as LuCI's own build
// does it: root/ and htdocs/ as they are, po/LANG/*.po compiled.
func luci(root, version string, date time.Time) ([]pkg, error) {
	app := filepath.Join(root, "luci-app")
	p := pkg{
		name: "luci-app-tandem", version: version, arch: "all", section: "luci", date: date,
		title:       "LuCI pages of Tandem",
		description: "Settings and status of tandem in the router's web interface.",
		depends:     luciDepends(app),
		postinst:    "#!/bin/sh\n[ -n \"${IPKG_INSTROOT}\" ] || { rm -f /tmp/luci-indexcache.*; rm -rf /tmp/luci-modulecache/; /etc/init.d/rpcd reload 2>/dev/null; }\nexit 0\n",
	}
	for _, part := range []struct{ from, to string }{{"root", ""}, {"htdocs", "/www"}, {"ucode", "/usr/share/ucode/luci"}} {
		entries, err := tree(filepath.Join(app, part.from), part.to)
		if err != nil {
			return nil, err
		}
		p.entries = append(p.entries, entries...)
	}
	if len(p.entries) == 0 {
		return nil, nil
	}
	all := []pkg{p}
	translations, err := filepath.Glob(filepath.Join(app, "po/*/*.po"))
	if err != nil {
		return nil, err
	}
	for _, at := range translations {
		lang := filepath.Base(filepath.Dir(at))
		data, err := lmo(readText(at))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		code := strings.ToLower(strings.ReplaceAll(lang, "_", "-"))
		all = append(all, pkg{
			name: "luci-i18n-tandem-" + code, version: version, arch: "all", section: "luci", date: date,
			title: "Translation of luci-app-tandem (" + lang + ")", description: "Translation of luci-app-tandem.",
			depends: []string{"luci-app-tandem"},
			entries: []entry{{path: "/usr/lib/lua/luci/i18n/tandem." + code + ".lmo", mode: 0o644, data: data}},
		})
	}
	return all, nil
}

// luciDepends reads LUCI_DEPENDS of the application's Makefile.
func luciDepends(app string) []string {
	depends := []string{"libc"}
	for line := range strings.Lines(readText(filepath.Join(app, "Makefile"))) {
		if list, ok := strings.CutPrefix(line, "LUCI_DEPENDS:="); ok {
			for _, d := range strings.Fields(list) {
				depends = append(depends, strings.TrimLeft(d, "+"))
			}
		}
	}
	return depends
}

// tree lists the files below a folder; none if it does not exist. Scripts keep
// their executable bit.
func tree(from, to string) ([]entry, error) {
	var all []entry
	err := filepath.WalkDir(from, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		rel, err := filepath.Rel(from, at)
		all = append(all, entry{path: to + "/" + filepath.ToSlash(rel), mode: mode, data: data})
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	sort.Slice(all, func(i, j int) bool { return all[i].path < all[j].path })
	return all, err
}

// readText is a file's text, "" if there is none.
func readText(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// packageVersion is PKG_VERSION-rPKG_RELEASE of the feed's Makefile, the one
// place where it stands.
func packageVersion(root string) (string, error) {
	text := readText(filepath.Join(root, "openwrt/tandem/Makefile"))
	version := regexp.MustCompile(`(?m)^PKG_VERSION:=(\S+)$`).FindStringSubmatch(text)
	release := regexp.MustCompile(`(?m)^PKG_RELEASE:=(\d+)$`).FindStringSubmatch(text)
	if version == nil || release == nil {
		return "", errors.New("openwrt/tandem/Makefile: no PKG_VERSION or PKG_RELEASE")
	}
	return version[1] + "-r" + release[1], nil
}
