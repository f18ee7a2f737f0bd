package boot

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hardware is a kind of machine to boot on.
type hardware struct {
	uefi bool
	disk string // virtio, nvme, scsi or sata
}

// vm is the image on a disk of its own, larger than the image.
type vm struct {
	hardware
	disk string
	nets []*os.File // in the order of their MAC addresses
	vars string     // UEFI's variables

	console *console
	cmd     *exec.Cmd
	ended   chan struct{}
	monitor string
}

const diskSize = 3 << 30

func newVM(t *testing.T, h hardware, nets ...*os.File) *vm {
	t.Helper()
	dir := t.TempDir()
	v := &vm{hardware: h, disk: filepath.Join(dir, "disk.raw"), vars: filepath.Join(dir, "vars.fd"), monitor: filepath.Join(dir, "monitor"), nets: nets}
	command(t, "cp", "--sparse=always", *image, v.disk)
	if err := os.Truncate(v.disk, diskSize); err != nil {
		t.Fatal(err)
	}
	command(t, "cp", firmware[*arch][1], v.vars)
	t.Cleanup(func() {
		if t.Failed() && v.cmd != nil {
			t.Logf("processors:\n%s\nconsole:\n%s", v.ask("info registers -a"), v.console)
		}
		v.kill()
	})
	return v
}

// firmware is UEFI's code and its variables as they are on a new machine.
var firmware = map[string][2]string{
	"amd64": {"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	"arm64": {"/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},
}

// machine returns the emulator of the processor and its first arguments.
func (v *vm) machine() (program string, args []string) {
	if v.uefi {
		args = []string{"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + firmware[*arch][0],
			"-drive", "if=pflash,format=raw,unit=1,file=" + v.vars}
	}
	if *arch == "arm64" {
		return "qemu-system-aarch64", append(args, "-machine", "virt", "-cpu", "cortex-a72")
	}
	return "qemu-system-x86_64", append(args, "-machine", "q35", "-cpu", "max")
}

// start switches the machine on.
func (v *vm) start(t *testing.T, told ...given) {
	t.Helper()
	bound := *limit
	if bound == 0 {
		if bound = 2 * time.Minute; strings.HasPrefix(*accel, "tcg") {
			bound = 10 * time.Minute
		}
	}
	program, args := v.machine()
	processors := "2"
	if strings.HasPrefix(*accel, "tcg") {
		// Translating on two threads QEMU may miss that one changes code which
		// the other has: a guest died now and then of an int3 in a static key.
		processors = "1"
	}
	args = append(args, "-accel", *accel, "-m", "512", "-smp", processors, "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio",
		"-monitor", "unix:"+v.monitor+",server,nowait", "-device", "virtio-rng-pci")
	// Writes reach the disk file at once, so that killing QEMU loses what the
	// guest has not written, no more and no less.
	args = append(args, "-drive", "if=none,id=disk,format=raw,cache=writethrough,file="+v.disk)
	switch v.hardware.disk {
	case "virtio":
		args = append(args, "-device", "virtio-blk-pci,drive=disk,bootindex=0")
	case "nvme":
		args = append(args, "-device", "nvme,drive=disk,serial=tandem,bootindex=0")
	case "scsi":
		args = append(args, "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=disk,bootindex=0")
	case "sata":
		args = append(args, "-device", "ide-hd,drive=disk,bootindex=0")
	}
	for i := range v.nets {
		args = append(args, "-netdev", fmt.Sprintf("tap,id=n%d,fd=%d", i, 3+i),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=n%d,mac=%s,romfile=", i, mac(i)))
	}
	for _, g := range told {
		args = append(args, g...)
	}
	os.Remove(v.monitor)
	v.console = &console{limit: bound}
	v.cmd = exec.Command(program, args...)
	v.cmd.ExtraFiles = v.nets
	v.cmd.Stdout, v.cmd.Stderr = v.console, v.console
	var err error
	if v.ended, err = child(v.cmd); err != nil {
		v.cmd = nil
		t.Fatal(err)
	}
}

// ask gives QEMU's monitor a command and returns what it says within a moment.
func (v *vm) ask(command string) string {
	c, err := net.Dial("unix", v.monitor)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	_, _ = io.WriteString(c, command+"\n")
	text, _ := io.ReadAll(c)
	return escapes.ReplaceAllString(string(text), "")
}

// kill pulls the plug.
func (v *vm) kill() {
	if v.cmd == nil {
		return
	}
	_ = v.cmd.Process.Kill()
	<-v.ended
}

// worked is how much processor time QEMU has used since it was started.
func (v *vm) worked(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", v.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// Behind the name, which may hold blanks, in hundredths of a second.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var sum time.Duration
	for _, f := range fields[11:13] { // user, system
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// starved is how long QEMU would have run since it was started, had others not
// been running: no fault of the machine.
func (v *vm) starved() (longest time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", v.cmd.Process.Pid))
	for _, path := range threads {
		var ran, waited, slices int64
		if text, err := os.ReadFile(path); err == nil {
			_, _ = fmt.Sscan(string(text), &ran, &waited, &slices)
		}
		longest = max(longest, time.Duration(waited))
	}
	return longest
}

// patience returns what says that the machine's time is up from now on.
func (v *vm) patience() (late func() bool) {
	begin, starved := time.Now(), v.starved()
	return func() bool { return time.Since(begin)-(v.starved()-starved) > v.console.limit }
}

// pause stops the machine for a while, as a host does that saves or moves it:
// its clock stands still too.
func (v *vm) pause(t *testing.T, d time.Duration) {
	t.Helper()
	if err := v.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer v.cmd.Process.Signal(syscall.SIGCONT)
	time.Sleep(d)
}

// shutdown presses the power button and waits until the machine is off.
func (v *vm) shutdown(t *testing.T) {
	t.Helper()
	c, err := net.Dial("unix", v.monitor)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "system_powerdown\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-v.ended:
	case <-time.After(v.console.limit):
		t.Fatalf("does not switch off:\n%s", v.console)
	}
}

// console is what the machine prints.
type console struct {
	limit time.Duration
	mu    sync.Mutex
	buf   bytes.Buffer
}

func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(b)
}

// escapes are colours and cursor movements.
var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]|\r")

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return escapes.ReplaceAllString(c.buf.String(), "")
}

// wait returns what pattern finds, as soon as it is printed.
func (v *vm) wait(t *testing.T, pattern string) []string {
	t.Helper()
	p := regexp.MustCompile(pattern)
	late := v.patience()
	for {
		if m := p.FindStringSubmatch(v.console.String()); m != nil {
			return m
		}
		select {
		case <-v.ended:
			if m := p.FindStringSubmatch(v.console.String()); m != nil {
				return m
			}
			t.Fatalf("the machine went off before it printed %q:\n%s", pattern, v.console)
		case <-time.After(200 * time.Millisecond):
		}
		if late() {
			t.Fatalf("%q was not printed within %s and the time the machine waited for a processor:\n%s", pattern, v.console.limit, v.console)
		}
	}
}

// line is the pairing line that is on the console, if any.
func (c *console) line() string {
	if m := regexp.MustCompile(pairing).FindStringSubmatch(c.String()); m != nil {
		return m[1]
	}
	return ""
}
