package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/shared/control"
)

// A client that is added the moment the concentrator says that it serves, as
// the image does at its first boot, is known to it.
func TestClientAddedWhenReady(t *testing.T) {
	h := build(t, fast())
	ctx := within(t, time.Minute)
	path := filepath.Join(h.Dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	h.ConcentratorUnder = []string{"env", "NOTIFY_SOCKET=" + path}
	for i := range 10 {
		if err := h.Concentrator.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := h.Concentrator.Wait(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		asked, socket := make(chan error, 1), h.Concentrator.Socket
		go func() {
			buf := make([]byte, 4096)
			_ = manager.SetReadDeadline(time.Now().Add(20 * time.Second))
			for {
				n, err := manager.Read(buf)
				if err != nil {
					asked <- err
					return
				}
				if strings.Contains(string(buf[:n]), "READY=1") {
					_, err := control.Call(socket, "status")
					asked <- err
					return
				}
			}
		}()
		if err := h.StartConcentrator(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-asked; err != nil {
			t.Errorf("start %d: %v", i, err)
		}
		name := fmt.Sprintf("another%d", i)
		if _, err := h.ClientCommand(ctx, "add", name); err != nil {
			t.Fatal(err)
		}
		if _, err := control.Call(h.Concentrator.Socket, "volume", name); err != nil {
			t.Error(err)
		}
	}
}
