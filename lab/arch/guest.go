package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// machines say how a guest is built and started.
var machines = map[string]struct {
	env    []string // for the Go tools
	qemu   string
	args   []string
	append string
}{
	// A 64-bit kernel that runs the 32-bit program; nohz=off highres=off because
	// this machine was seen to lose timer interrupts without.
	"mipsle": {[]string{"GOARCH=mipsle", "GOMIPS=softfloat"}, "qemu-system-mips64el",
		[]string{"-M", "malta", "-cpu", "MIPS64R2-generic"}, "console=ttyS0 nohz=off highres=off"},
	"mips": {[]string{"GOARCH=mips", "GOMIPS=softfloat"}, "qemu-system-mips",
		[]string{"-M", "malta", "-cpu", "24Kc"}, "console=ttyS0 nohz=off highres=off"},
	"arm": {[]string{"GOARCH=arm", "GOARM=7"}, "qemu-system-arm",
		[]string{"-M", "virt,highmem=off", "-cpu", "cortex-a15", "-smp", "2"}, "console=ttyAMA0"},
	"arm64": {[]string{"GOARCH=arm64"}, "qemu-system-aarch64",
		[]string{"-M", "virt", "-cpu", "cortex-a53", "-smp", "2"}, "console=ttyAMA0"},
}

// guest is a running one.
type guest struct {
	cmd    *exec.Cmd
	kernel string
	work   string
	out    *transcript
	ended  <-chan struct{} // closed when QEMU is gone; err says how
	err    error
}

// boot builds the guest's files and starts it; it returns when the guest's
// first process is ready.
func boot(ctx context.Context, n *network, arch, cache string, slow *slowness) (*guest, error) {
	m, ok := machines[arch]
	if !ok {
		return nil, fmt.Errorf("no such machine: %q", arch)
	}
	files := filepath.Join(cache, arch)
	if err := shell(ctx, "lab/arch/fetch", arch, files); err != nil {
		return nil, err
	}
	g := &guest{out: &transcript{seen: make(chan struct{})}}
	var err error
	if g.work, err = os.MkdirTemp("", "tandem-guest-"); err != nil {
		return nil, err
	}
	initrd := filepath.Join(g.work, "initrd")
	if err := g.build(ctx, m.env, files, initrd); err != nil {
		g.close()
		return nil, err
	}
	args := append([]string{"-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio", "-m", "512",
		"-kernel", filepath.Join(files, "kernel"), "-initrd", initrd,
		"-append", m.append + " quiet panic=-1 rdinit=/init"}, m.args...)
	for i := range n.taps {
		args = append(args,
			"-netdev", fmt.Sprintf("tap,id=n%d,fd=%d", i, 3+i),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=n%d,mac=02:00:5e:00:53:%02d,romfile=%s", i, i+1, slow.device()))
	}
	args = append(args, slow.machine()...)
	g.cmd = exec.CommandContext(ctx, m.qemu, args...)
	g.cmd.ExtraFiles = n.taps
	g.cmd.Stdout, g.cmd.Stderr = g.out, g.out
	if err := g.cmd.Start(); err != nil {
		g.close()
		return nil, err
	}
	ended := make(chan struct{})
	go func() { g.err = g.cmd.Wait(); close(ended) }()
	g.ended = ended
	select {
	case <-g.out.seen:
		g.kernel = g.out.kernel()
		return g, nil
	case <-ended:
		g.close()
		return nil, fmt.Errorf("the guest ended early (%v):\n%s", g.err, g.said())
	}
}

// build packs the initial file system: this test's process 1, the daemon, its
// configuration, nft, and the kernel's modules.
func (g *guest) build(ctx context.Context, env []string, files, initrd string) error {
	tree := filepath.Join(g.work, "tree")
	for _, dir := range []string{"etc/config", "usr/sbin", "proc", "sys", "dev", "run", "tmp", "var"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			return err
		}
	}
	for at, pkg := range map[string]string{"init": "./lab/arch/guest", "usr/sbin/tandem-cpe": "./cpe", "usr/sbin/copy": "./lab/arch/copy"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(tree, at), pkg)
		cmd.Env = append(os.Environ(), append(env, "GOOS=linux", "CGO_ENABLED=0")...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	config := fmt.Sprintf(`config tandem 'main'
	option enabled '1'
	list lan 'lan'
	option first_byte 'syn'
	option connect_timeout '10000'

config concentrator 'far'
	list address '%s'

config wan 'dsl'
	option device 'dsl'

config wan 'lte'
	option device 'lte'
`, concentratorAddress)
	if err := os.WriteFile(filepath.Join(tree, "etc/config/tandem"), []byte(config), 0o644); err != nil {
		return err
	}
	return shell(ctx, "bash", "-c", `set -e; cp -a "$1"/root/. "$2"/; cp -a "$1"/modules "$2"/; cd "$2"; find . | cpio -o -H newc --quiet -R 0:0 | gzip -1 > "$3"`, "bash", files, tree, initrd)
}

// stop lets the daemon end, and the guest after it.
func (g *guest) stop(ctx context.Context) error {
	_, _ = new(network).ask("off") // the answer never comes: the guest is off
	select {
	case <-g.ended:
		if g.err != nil {
			return fmt.Errorf("guest: %w", g.err)
		}
		if !strings.Contains(g.said(), "msg=stopped") {
			return errors.New("the daemon did not say that it stopped")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return errors.New("the guest does not power off")
	}
}

func (g *guest) close() {
	if g.cmd != nil && g.cmd.Process != nil {
		_ = g.cmd.Process.Kill()
	}
	os.RemoveAll(g.work)
}

// said is the end of what the guest wrote on its console.
func (g *guest) said() string {
	text := g.out.text()
	return text[max(0, len(text)-20_000):]
}

// transcript keeps what the guest writes and notices when it is ready.
type transcript struct {
	mu    sync.Mutex
	b     strings.Builder
	seen  chan struct{}
	ready bool
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p)
	if !t.ready && strings.Contains(t.b.String(), "guest ready") {
		t.ready = true
		close(t.seen)
	}
	return len(p), nil
}

func (t *transcript) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func (t *transcript) kernel() string {
	if m := regexp.MustCompile(`guest kernel (\S+)`).FindStringSubmatch(t.text()); m != nil {
		return m[1]
	}
	return "unknown"
}

func shell(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
