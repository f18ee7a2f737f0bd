package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// pkg is one package, whatever its form.
type pkg struct {
	name, version string
	arch          string // of OpenWrt; "all" where it does not matter
	section       string
	title         string
	description   string
	depends       []string
	user          string // USER:GROUP that an installation creates; "" for none
	conffiles     []string
	postinst      string // shell, after OpenWrt's default_postinst
	prerm         string // shell, before its default_prerm
	entries       []entry
	date          time.Time
}

// The wrappers are what OpenWrt's own packages have: all the work of a service
// package (user, uci-defaults, enable and start) is in /lib/functions.sh.
const (
	postinstWrapper = `#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
default_postinst $0 $@
`
	prermWrapper = `#!/bin/sh
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
default_prerm $0 $@
`
)

// ipk is a package as opkg takes it: a gzipped tar of debian-binary, data and
// control, the latter two gzipped tars themselves.
func (p pkg) ipk() (file []byte, control string, err error) {
	data, size, err := tarball(p.entries, p.date)
	if err != nil {
		return nil, "", err
	}
	control = p.control(size)
	meta, _, err := tarball(p.controlEntries(control), p.date)
	if err != nil {
		return nil, "", err
	}
	var plain bytes.Buffer
	t := tar.NewWriter(&plain)
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"data.tar.gz", data}, {"control.tar.gz", meta}} {
		h := &tar.Header{Name: "./" + m.name, Mode: 0o644, Size: int64(len(m.data)), ModTime: p.date, Typeflag: tar.TypeReg, Format: tar.FormatGNU}
		if err := t.WriteHeader(h); err != nil {
			return nil, "", err
		}
		if _, err := t.Write(m.data); err != nil {
			return nil, "", err
		}
	}
	if err := t.Close(); err != nil {
		return nil, "", err
	}
	file, err = zip(plain.Bytes())
	return file, control, err
}

// control is the text about the package; size that of the unpacked data.
func (p pkg) control(size int64) string {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	field("Package", p.name)
	field("Version", p.version)
	field("Depends", strings.Join(p.depends, ", "))
	field("Source", "feeds/tandem/"+p.name)
	field("SourceName", p.name)
	field("License", license)
	field("Section", p.section)
	field("Require-User", p.user)
	field("SourceDateEpoch", fmt.Sprint(p.date.Unix()))
	field("URL", url)
	field("Maintainer", maintainer)
	field("Architecture", p.arch)
	field("Installed-Size", fmt.Sprint(size))
	field("Description", p.title+".\n "+p.description)
	return b.String()
}

func (p pkg) controlEntries(control string) []entry {
	all := []entry{
		{path: "/control", mode: 0o644, data: []byte(control)},
		{path: "/postinst", mode: 0o755, data: []byte(postinstWrapper)},
		{path: "/prerm", mode: 0o755, data: []byte(prermWrapper)},
	}
	if len(p.conffiles) > 0 {
		all = append(all, entry{path: "/conffiles", mode: 0o644, data: []byte(strings.Join(p.conffiles, "\n") + "\n")})
	}
	if p.postinst != "" {
		all = append(all, entry{path: "/postinst-pkg", mode: 0o755, data: []byte(p.postinst)})
	}
	if p.prerm != "" {
		all = append(all, entry{path: "/prerm-pkg", mode: 0o755, data: []byte(p.prerm)})
	}
	return all
}

func (p pkg) ipkName() string { return p.name + "_" + p.version + "_" + p.arch + ".ipk" }

// indexed is a package's part of the file Packages: its control with name, size
// and sum of the .ipk before the description.
func indexed(control, name string, file []byte) string {
	head, description, _ := strings.Cut(control, "Description:")
	sum := sha256.Sum256(file)
	return fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256sum: %s\nDescription:%s", head, name, len(file), hex.EncodeToString(sum[:]), description)
}
