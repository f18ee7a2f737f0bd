package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
	"tandem/lab/servers"
)

// TestPrograms runs programs that people use on the LAN host, through Tandem.
func TestPrograms(t *testing.T) {
	t.Parallel()
	h := build(t, sixty())
	for _, tt := range []struct {
		name  string
		use   func(*testing.T, *house.House)
		flows int64 // connections it makes
	}{
		{"curl downloads, IPv4", func(t *testing.T, h *house.House) { curlDownload(t, h, house.Server4) }, 1},
		{"curl downloads, IPv6", func(t *testing.T, h *house.House) { curlDownload(t, h, "["+house.Server6+"]") }, 1},
		{"curl uploads", curlUpload, 1},
		{"curl loads a page", curlPage, 40},
		{"iperf3 up", func(t *testing.T, h *house.House) { iperf(t, h, 5201) }, 2},
		{"iperf3 down", func(t *testing.T, h *house.House) { iperf(t, h, 5202, "-R") }, 2},
		{"iperf3 on four connections", func(t *testing.T, h *house.House) { iperf(t, h, 5203, "-P", "4") }, 5},
		{"OpenSSH", openSSH, 3},
		{"HTTP/2 page load", http2Page, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := status(t, h).Flows
			tt.use(t, h)
			after := status(t, h).Flows
			if relayed := after.Relayed - before.Relayed; relayed != tt.flows {
				t.Errorf("%d flows relayed, want %d", relayed, tt.flows)
			}
			if mptcp := after.MPTCP - before.MPTCP; mptcp != tt.flows {
				t.Errorf("%d flows by MPTCP, want %d", mptcp, tt.flows)
			}
			if after.Direct != 0 || after.Refused != 0 {
				t.Errorf("flows %+v: none may go direct or be refused", after)
			}
		})
	}
}

func curlDownload(t *testing.T, h *house.House, server string) {
	const size = 20_000_000
	file := filepath.Join(t.TempDir(), "file")
	run(t, within(t, time.Minute), h.Host("lan"), "curl", "-sS", "--fail", "-o", file,
		fmt.Sprintf("http://%s/bytes/%d", server, size))
	if got, want := sumOf(t, file), servers.Sum(size); got != want {
		t.Errorf("SHA-256 of the download %s, want %s", got, want)
	}
}

func curlUpload(t *testing.T, h *house.House) {
	const size = 8_000_000
	file := streamFile(t, size)
	got := run(t, within(t, time.Minute), h.Host("lan"), "curl", "-sS", "--fail", "-T", file,
		"http://"+house.Server4+"/sum")
	if want := servers.Sum(size); strings.TrimSpace(got) != want {
		t.Errorf("the server got SHA-256 %q, want %s", got, want)
	}
}

// curlPage loads 40 objects of different sizes at the same time.
func curlPage(t *testing.T, h *house.House) {
	const first, last = 50_001, 50_040
	dir := t.TempDir()
	run(t, within(t, time.Minute), h.Host("lan"), "curl", "-sS", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", "40",
		"-o", filepath.Join(dir, "#1"), fmt.Sprintf("http://%s/bytes/[%d-%d]", house.Server4, first, last))
	for size := int64(first); size <= last; size++ {
		if got, want := sumOf(t, filepath.Join(dir, fmt.Sprint(size))), servers.Sum(size); got != want {
			t.Errorf("object of %d bytes: SHA-256 %s, want %s", size, got, want)
		}
	}
}

// iperf measures for two seconds, from the LAN unless args say otherwise.
func iperf(t *testing.T, h *house.House, port int, args ...string) {
	ctx := within(t, time.Minute)
	server := background(t, h.Host("net"), "iperf3", "-s", "-1", "--forceflush", "-B", house.Server4, "-p", fmt.Sprint(port))
	eventually(t, 10*time.Second, "iperf3 serves", func() bool { return server.Count("Server listening") > 0 })
	// On an error iperf3 says why in its report, and fails besides.
	out, _ := h.Host("lan").Command(ctx, "iperf3", append([]string{"-c", house.Server4, "-p", fmt.Sprint(port), "-t", "2", "--json"}, args...)...).Output()
	var report struct {
		Error string `json:"error"`
		End   struct {
			Sent     struct{ Bytes int64 } `json:"sum_sent"`
			Received struct {
				Bytes         int64
				BitsPerSecond float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal(out, &report); err != nil || report.Error != "" {
		t.Fatalf("iperf3: %v, %s\n%s\nserver:\n%s", err, report.Error, out, server)
	}
	if report.End.Sent.Bytes == 0 || report.End.Received.Bytes == 0 {
		t.Errorf("iperf3 moved nothing: %+v", report.End)
	}
	t.Logf("%.1f Mbit/s", report.End.Received.BitsPerSecond/1e6)
}

// openSSH runs a command on the servers' host, and copies a file there and
// back.
func openSSH(t *testing.T, h *house.House) {
	const port = "2222"
	ctx := within(t, time.Minute)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, key := range []string{"host", "user"} {
		run(t, ctx, h.Host("net"), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at(key))
	}
	hostKey, err := os.ReadFile(at("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, at("known_hosts"), fmt.Sprintf("[%s]:%s %s", house.Server4, port, hostKey))
	write(t, at("sshd_config"), fmt.Sprintf(`Port %s
ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
PermitRootLogin prohibit-password
StrictModes no
UsePAM %s
PidFile none
Subsystem sftp internal-sftp
`, port, house.Server4, at("host"), at("user.pub"), rootNeedsPAM(t)))
	privilegeSeparation(t)
	server := background(t, h.Host("net"), "/usr/sbin/sshd", "-D", "-e", "-f", at("sshd_config"))
	eventually(t, 10*time.Second, "sshd serves", func() bool { return server.Count("Server listening") > 0 })

	options := []string{"-F", "none", "-i", at("user"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile=" + at("known_hosts"), "-o", "StrictHostKeyChecking=yes"}
	remote := "root@" + house.Server4
	got := run(t, ctx, h.Host("lan"), "ssh", append(options, "-p", port, remote, "echo seen from ${SSH_CONNECTION%% *}.")...)
	if want := "seen from " + house.Concentrator4 + "."; !strings.Contains(got, want) {
		t.Errorf("ssh said %q, want %q\n%s", got, want, server)
	}
	const size = 5_000_000
	run(t, ctx, h.Host("lan"), "scp", append(options, "-P", port, streamFile(t, size), remote+":"+at("there"))...)
	run(t, ctx, h.Host("lan"), "scp", append(options, "-P", port, remote+":"+at("there"), at("back"))...)
	for _, name := range []string{"there", "back"} {
		if got, want := sumOf(t, at(name)), servers.Sum(size); got != want {
			t.Errorf("copied %s: SHA-256 %s, want %s", name, got, want)
		}
	}
}

// privilegeSeparation provides the folder that Debian's sshd wants and the
// service would have made.
func privilegeSeparation(t *testing.T) {
	const dir = "/run/sshd"
	switch err := os.Mkdir(dir, 0o755); {
	case err == nil:
		t.Cleanup(func() { os.Remove(dir) })
	case !os.IsExist(err):
		t.Fatal(err)
	}
}

// rootNeedsPAM is the value of UsePAM: without PAM sshd lets nobody in whose
// password is locked, and containers have no PAM that works.
func rootNeedsPAM(t *testing.T) string {
	shadow, err := os.ReadFile("/etc/shadow")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(shadow), "\n") {
		if strings.HasPrefix(line, "root:!") {
			return "yes"
		}
	}
	return "no"
}

// background runs a program until the end of the test and returns what it
// says.
func background(t *testing.T, host *labnet.Host, name string, args ...string) *house.Log {
	t.Helper()
	log := new(house.Log)
	cmd := host.Command(context.Background(), name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = 5 * time.Second // a child may have kept its standard output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	return log
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// streamFile returns a file with the first n bytes of the stream.
func streamFile(t *testing.T, n int64) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, servers.NewStream(), n); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
