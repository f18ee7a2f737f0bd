package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// modules are what the experiments need of a kernel that has it as modules.
var modules = []string{"tun", "veth", "nf_tables", "nft_chain_nat", "nft_masq", "nft_ct",
	"nft_tproxy", "nft_socket", "nft_fib_inet", "nft_reject_inet"}

// boot runs the experiments in a guest: boot [--time D] ROOT [FLAGS EXPERIMENT…],
// where ROOT holds an unpacked kernel package of Debian.
func boot(ctx context.Context, args []string) error {
	fset := flag.NewFlagSet("boot", flag.ContinueOnError)
	limit := fset.Duration("time", 30*time.Minute, "most that a guest may take")
	if err := fset.Parse(args); err != nil {
		return err
	}
	if fset.NArg() == 0 {
		return errors.New("boot: name the folder of an unpacked kernel package")
	}
	root := fset.Arg(0)
	version, image, err := find(root)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "tandem-guest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	initrd := filepath.Join(work, "initrd")
	if err := buildInitrd(root, version, work, initrd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	var out strings.Builder
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", "2", "-m", "1024",
		"-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio",
		"-kernel", image, "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 rdinit=/init -- "+strings.Join(fset.Args()[1:], " "))
	cmd.Stdout = tee{&out, os.Stdout}
	cmd.Stderr = os.Stderr
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("guest with kernel %s: %w", version, ctx.Err())
	case err != nil:
		return fmt.Errorf("qemu: %w", err)
	case !strings.Contains(out.String(), "guest done"):
		return fmt.Errorf("guest with kernel %s did not finish", version)
	}
	return nil
}

// find returns version and image of the kernel under root.
func find(root string) (version, image string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && strings.HasPrefix(d.Name(), "vmlinuz") {
			image = path
		}
		if d.IsDir() && filepath.Base(filepath.Dir(path)) == "modules" {
			version = d.Name()
		}
		return nil
	})
	if err == nil && (version == "" || image == "") {
		err = fmt.Errorf("%s holds no kernel with modules", root)
	}
	return version, image, err
}

// buildInitrd packs this program as /init, the programs the lab calls, and the
// modules in the order in which they must be loaded.
func buildInitrd(root, version, work, initrd string) error {
	tree := filepath.Join(work, "tree")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	script := `
set -euo pipefail
tree=$1 self=$2 root=$3 version=$4 initrd=$5
shift 5
mkdir -p "$tree"/{bin,sbin,usr/bin,usr/sbin,lib,lib64,modules,etc,proc,sys,dev,run,tmp}
cp "$self" "$tree/init"
for program in ip nft; do
	path=$(PATH=/usr/sbin:/sbin:$PATH command -v $program)
	cp -L "$path" "$tree/usr/sbin/$program"
	ldd "$path" | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p "$tree$(dirname "$lib")"
		cp -Ln "$lib" "$tree$lib"
	done
done
[ -d "$root/lib/modules" ] || { mkdir -p "$root/lib"; ln -sfn ../usr/lib/modules "$root/lib/modules"; }
depmod -b "$root" "$version" 2>/dev/null
n=10
for module in "$@"; do
	modprobe -d "$root" -S "$version" --show-depends "$module" | while read -r verb path _; do
		[ "$verb" = insmod ] || continue
		echo "$path"
	done
done | awk '!seen[$0]++' | while read -r path; do
	n=$((n + 1))
	name=$(basename "$path")
	case $name in
	*.xz) xz -dc "$path" > "$tree/modules/$n-${name%.xz}" ;;
	*.zst) zstd -qdc "$path" > "$tree/modules/$n-${name%.zst}" ;;
	*) cp "$path" "$tree/modules/$n-$name" ;;
	esac
done
cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1 > "$initrd"
`
	root, err = filepath.Abs(root)
	if err != nil {
		return err
	}
	cmd := exec.Command("bash", append([]string{"-c", script, "bash", tree, self, root, version, initrd}, modules...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the guest: %w: %s", err, out)
	}
	return nil
}

type tee struct {
	keep *strings.Builder
	show *os.File
}

func (t tee) Write(p []byte) (int, error) {
	t.keep.Write(p)
	return t.show.Write(p)
}
