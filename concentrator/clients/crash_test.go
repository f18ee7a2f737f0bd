package clients

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Command lines and a daemon at work on one folder lose nothing.
func TestConcurrentProcesses(t *testing.T) {
	f := newStore(t)
	stays := add(t, f, Client{Name: "stays"})
	reload(t, f)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			cli := NewFolder(f.Path) // as another process would
			name := fmt.Sprint("client-", g)
			for i := range 15 {
				if _, err := cli.Add(Client{Name: name}); err != nil {
					t.Error(err)
				}
				if _, err := cli.Rotate(name, i%2 == 0); err != nil {
					t.Error(err)
				}
				if _, err := cli.Update("stays", func(c *Client) error { c.Limits.Connections++; return nil }); err != nil {
					t.Error(err)
				}
				if err := cli.Remove(name); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Add(1)
	go func() { // the daemon
		defer wg.Done()
		for range 60 {
			if err := f.Reload(); err != nil {
				t.Error(err)
			}
			for _, p := range f.Problems() {
				t.Errorf("%+v", p)
			}
			e, ok := f.Lookup(stays.Keys[0].ID)
			if !ok {
				t.Error("a client is missing")
				return
			}
			f.Used(e)
			f.settle()
		}
	}()
	wg.Wait()
	if c, err := f.Show("stays"); err != nil || c.Limits.Connections != 4*15 || c.Keys[0].FirstUsed.IsZero() {
		t.Errorf("%d of %d changes kept, %+v, %v", c.Limits.Connections, 4*15, c, err)
	}
}

// kill -9 in the middle of changes, 40 times: every client is still there and
// every file whole.
func TestKill(t *testing.T) {
	if path := os.Getenv("TANDEM_KILL_ME"); path != "" {
		f := NewFolder(path)
		fmt.Println("ready")
		for {
			if _, err := f.Rotate("home", false); err != nil {
				t.Fatal(err)
			}
			_ = f.Remove("other")
			if _, err := f.Add(Client{Name: "other"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := newStore(t)
	key := add(t, f, Client{Name: "home", Note: "stays"}).Keys[0]
	for i := range 40 {
		c := exec.Command(os.Args[0], "-test.run=^TestKill$")
		c.Env = append(os.Environ(), "TANDEM_KILL_ME="+f.Path)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
		for range i * 3 { // let it work for a while that differs
			if _, err := f.Show("home"); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		all, bad, err := f.List()
		if err != nil || len(bad) > 0 {
			t.Fatalf("kill %d: %v %+v", i, err, bad)
		}
		if len(all) == 0 || all[0].Name != "home" || all[0].Note != "stays" || !all[0].Keys[0].Secret.Equal(key.Secret) {
			t.Fatalf("kill %d: %+v", i, all)
		}
	}
	if _, err := f.Rotate("home", false); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(f.Path)
	if err != nil || len(left) > 2 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// On a full or read-only disk changes fail, clients stay, and a rotation ends
// in memory at least; it is saved when there is room again.
func TestDiskFull(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its mounts
		path := t.TempDir()
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tmpfs", path, "tmpfs", 0, "size=64k,mode=0700")); err != nil {
			t.Error(err)
			return
		}
		f := NewFolder(path)
		c, err := f.Add(Client{Name: "home"})
		if err == nil {
			c, err = f.Rotate("home", false)
		}
		if err = errors.Join(err, f.Reload()); err != nil {
			t.Error(err)
			return
		}
		var names []string
		for i := 0; ; i++ {
			name := fmt.Sprint("client-", i)
			if _, err := f.Add(Client{Name: name}); errors.Is(err, unix.ENOSPC) {
				break
			} else if err != nil || i > 100 {
				t.Errorf("client %d: %v", i, err)
				return
			}
			names = append(names, name)
		}
		if all, bad, err := f.List(); err != nil || len(bad) > 0 || len(all) != len(names)+1 {
			t.Errorf("%d of %d clients, %+v, %v", len(all), len(names)+1, bad, err)
		}
		e, _ := f.Lookup(c.Keys[1].ID)
		f.Used(e)
		f.settle()
		if got := valid(f, c.Keys...); got[0] || !got[1] {
			t.Errorf("in memory: %v", got)
		}
		if err := f.Reload(); err != nil {
			t.Error(err)
		}
		if got := valid(f, c.Keys...); got[0] || !got[1] {
			t.Errorf("after a reload: %v", got)
		}
		if saved, err := f.Show("home"); err != nil || len(saved.Keys) != 2 {
			t.Errorf("%+v, %v", saved, err)
		}
		if err := f.Remove(names[0]); err != nil {
			t.Error("no room made:", err)
		}
		f.settle()
		if saved, err := f.Show("home"); err != nil || len(saved.Keys) != 1 {
			t.Errorf("not saved when there was room: %+v, %v", saved, err)
		}
	}()
	<-done
}
