package boot

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// host is a network namespace.
type host string

func newHost(t *testing.T, name string) host {
	t.Helper()
	h := host(fmt.Sprintf("tandem-i%d-%s", os.Getpid(), name))
	command(t, "ip", "netns", "add", string(h))
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", string(h)).Run() })
	h.ip(t, "link set lo up")
	return h
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ip runs "ip WORDS" in the host.
func (h host) ip(t *testing.T, words string) {
	t.Helper()
	command(t, "ip", append([]string{"-n", string(h)}, strings.Fields(words)...)...)
}

func (h host) cmd(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", string(h), name}, args...)...)
}

// do runs f on a thread in the host; sockets that f opens stay there.
func (h host) do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		fd, err := unix.Open("/run/netns/"+string(h), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// tap makes a tap in the host and returns its other end for QEMU. It lives as
// long as that is open.
func (h host) tap(t *testing.T, name string) *os.File {
	t.Helper()
	var f *os.File
	err := h.do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		f = os.NewFile(uintptr(fd), name)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	})
	if err != nil {
		t.Fatalf("tap %s: %v", name, err)
	}
	t.Cleanup(func() { f.Close() })
	h.ip(t, "link set "+name+" up")
	return f
}

// received returns the bytes that came in on a device.
func (h host) received(t *testing.T, device string) int64 {
	t.Helper()
	var links []struct {
		Stats struct {
			RX struct {
				Bytes int64 `json:"bytes"`
			} `json:"rx"`
		} `json:"stats64"`
	}
	out := command(t, "ip", "-n", string(h), "-j", "-s", "link", "show", "dev", device)
	if err := json.Unmarshal([]byte(out), &links); err != nil || len(links) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	return links[0].Stats.RX.Bytes
}
