package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
)

const capNetAdmin = "0000000000001000" // bit 12

// TestPrivileges: the CPE's daemon keeps CAP_NET_ADMIN alone, in every thread,
// whether it is started as root or as another user that has nothing else; all
// that it does works with that: nft, routing rules, transparent sockets, marks,
// the path manager, reload and a clean stop.
func TestPrivileges(t *testing.T) {
	for _, tt := range []struct {
		name  string
		user  int
		under []string
	}{
		{"root", 0, nil},
		{"nobody", 65534, []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
			"--inh-caps", "-all,+net_admin", "--ambient-caps", "-all,+net_admin", "--bounding-set", "-all,+net_admin"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := fast()
			o.CPE = synDataOn
			h := build(t, o)
			ctx := within(t, time.Minute)
			if tt.under != nil {
				if err := h.CPE.Stop(10 * time.Second); err != nil {
					t.Fatal(err)
				}
				giveTo(t, h.Dir, tt.user)
				h.CPEUnder = tt.under
				if err := h.StartCPE(ctx); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				for _, server := range []string{house.Server4, house.Server6} {
					if err := h.Download(ctx, "", server, 100_000); err != nil {
						t.Fatal(err)
					}
				}
				threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", h.CPE.PID()))
				if err != nil || len(threads) < 2 {
					t.Fatalf("threads %v, %v", threads, err)
				}
				for _, thread := range threads {
					got := fields(t, thread)
					if got["Uid"] != fmt.Sprint(tt.user) || got["NoNewPrivs"] != "1" {
						t.Errorf("%s: user %s, no_new_privs %s", thread, got["Uid"], got["NoNewPrivs"])
					}
					for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
						if got[set] != capNetAdmin {
							t.Errorf("%s: %s is %s, want %s", thread, set, got[set], capNetAdmin)
						}
					}
				}
				if err := h.ReloadCPE(ctx); err != nil { // nft runs again
					t.Fatal(err)
				}
			}
			if got := status(t, h).Flows; got.MPTCP != 4 || got.Direct != 0 {
				t.Errorf("flows %+v, want 4 by MPTCP", got)
			}
			// A pairing by root keeps the files readable for the daemon.
			line, err := h.ClientCommand(ctx, "rotate", "house")
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Join(ctx, strings.TrimSpace(line)); err != nil {
				t.Fatal(err)
			}
			if got := status(t, h).Concentrators[0].Trust.Key; got != h.Key {
				t.Errorf("after a rotation the daemon uses key %s, want %s", got, h.Key)
			}
			if err := h.Download(ctx, "", house.Server4, 1000); err != nil {
				t.Fatal(err)
			}
			if err := h.CPE.Stop(10 * time.Second); err != nil {
				t.Fatal(err)
			}
			for _, left := range []string{"table inet tandem ", "lookup 5125", "table 5125", "endpoint", " id "} {
				if after := traces(t, h); strings.Contains(after, left) {
					t.Errorf("left after a clean stop (%q):\n%s", left, after)
				}
			}
		})
	}
}

// giveTo makes a user the owner of all in a folder.
func giveTo(t *testing.T, dir string, user int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil && !strings.Contains(path, "concentrator") && !strings.Contains(path, "state") {
			err = os.Chown(path, user, user)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fields are the first words of each line of a file in /proc.
func fields(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(read(t, path)) {
		if w := strings.Fields(line); len(w) > 1 {
			all[strings.TrimSuffix(w[0], ":")] = w[1]
		}
	}
	return all
}

// TestNoPrivilege: without the capability the daemon says what it needs.
func TestNoPrivilege(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, time.Minute)
	if err := h.CPE.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	h.CPEUnder = []string{"setpriv", "--bounding-set", "-net_admin"}
	err := h.StartCPE(ctx)
	if err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("started with %v, want an error that names CAP_NET_ADMIN", err)
	}
	if err := h.CPE.Wait(10 * time.Second); err == nil {
		t.Error("exit status 0")
	}
	_ = h.CPE.Signal(syscall.SIGKILL)
	if _, err := h.FirstByte(ctx, "", house.Server4); err != nil {
		t.Errorf("the LAN is offline: %v", err)
	}
}
