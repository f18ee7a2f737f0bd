// Command pack builds the OpenWrt packages of Tandem, .ipk and, if it is shown
// an apk program, .apk, without OpenWrt's SDK: for every architecture of 24.10
// and 25.12 that Go has a compiler for.
//
// Reading order: arch.go (which router needs which binary), build.go, content.go
// (what is in the packages), archive.go and ipk.go, feed.go and usign.go, apk.go
// and apkkey.go, lmo.go (translations).
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the source tree")
	flag.StringVar(&o.out, "out", "build", "where packages/ and feed/ are made")
	flag.StringVar(&o.version, "version", "", "version of the packages (default: the feed Makefile's)")
	flag.StringVar(&o.program, "program-version", "development", "what tandem-cpe version says")
	flag.StringVar(&o.key, "key", "", "usign or signify secret key (default: OUT/usign.sec, made if missing)")
	flag.StringVar(&o.apk, "apk", "", "apk program, version 3; without it there are no .apk files")
	flag.StringVar(&o.apkKey, "apk-key", "", "PEM key (EC, prime256v1) that signs .apk files and packages.adb (default: OUT/apk.pem, made if missing)")
	flag.StringVar(&o.only, "arch", "", "only these architectures, by comma")
	flag.Parse()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

type options struct {
	root, out, version, program, key, apk, apkKey, only string
}

func (o options) run() error {
	out, err := filepath.Abs(o.out)
	if err != nil {
		return err
	}
	o.out = out
	begun := time.Now()
	if o.version == "" {
		var err error
		if o.version, err = packageVersion(o.root); err != nil {
			return err
		}
	}
	date, err := sourceDate(o.root)
	if err != nil {
		return err
	}
	if o.key == "" {
		o.key = filepath.Join(o.out, "usign.sec")
	}
	k, err := loadKey(o.key)
	if err != nil {
		return err
	}
	rows := choose(o.only)
	if len(rows) == 0 {
		return fmt.Errorf("no architecture %q; see openwrt/pack/arch.go", o.only)
	}
	programs, err := build(filepath.Join(o.out, "bin"), o.program, targetsOf(rows))
	if err != nil {
		return err
	}
	fmt.Printf("%d binaries after %.1f s\n", len(programs), time.Since(begun).Seconds())
	pages, err := luci(o.root, o.version, date)
	if err != nil {
		return err
	}
	// Beside the packages, for the router's /etc/opkg/keys.
	if err := os.MkdirAll(filepath.Join(o.out, "feed"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "feed", "usign.pub"), k.public(), 0o644); err != nil {
		return err
	}
	if o.apk != "" {
		if o.apkKey == "" {
			o.apkKey = filepath.Join(o.out, "apk.pem")
		}
		if o.apkKey, err = filepath.Abs(o.apkKey); err != nil {
			return err
		}
		public, err := apkPublic(o.apkKey)
		if err != nil {
			return err
		}
		// Likewise, for /etc/apk/keys.
		if err := os.WriteFile(filepath.Join(o.out, "feed", "tandem.pem"), public, 0o644); err != nil {
			return err
		}
	}
	for _, a := range rows {
		p, err := daemon(o.root, a.name, programs[a.target], o.version, date)
		if err != nil {
			return err
		}
		if err := o.write(a.name, append([]pkg{p}, pages...), k); err != nil {
			return err
		}
	}
	fmt.Printf("packages of %d architectures after %.1f s: %s\n", len(rows), time.Since(begun).Seconds(), filepath.Join(o.out, "feed"))
	return nil
}

// write makes a feed for one architecture, and puts its .ipk files into
// packages/, where a person looks for one to copy.
func (o options) write(arch string, packages []pkg, k key) error {
	dir := filepath.Join(o.out, "feed", arch)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := feed(dir, packages, k); err != nil {
		return err
	}
	flat := filepath.Join(o.out, "packages")
	if err := os.MkdirAll(flat, 0o755); err != nil {
		return err
	}
	var apks []string
	for _, p := range packages {
		data, err := os.ReadFile(filepath.Join(dir, p.ipkName()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(flat, p.ipkName()), data, 0o644); err != nil {
			return err
		}
		if o.apk == "" {
			continue
		}
		if err := o.apkTool().pack(dir, p); err != nil {
			return err
		}
		apks = append(apks, p.apkName())
	}
	if o.apk == "" {
		return nil
	}
	return o.apkTool().index(dir, apks)
}

func (o options) apkTool() apkTool {
	return apkTool{program: o.apk, key: o.apkKey}
}

// sourceDate is the date of all that is packed: SOURCE_DATE_EPOCH, or that of
// the last commit.
func sourceDate(root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		cmd := exec.Command("git", "log", "-1", "--format=%ct")
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			return time.Time{}, errors.New("no git history here: set SOURCE_DATE_EPOCH")
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
