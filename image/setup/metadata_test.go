package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// Each cloud's service at its own address, in a network namespace, by what the
// firmware says: a whole "welcome".
func TestWelcomeByMetadata(t *testing.T) {
	const inside = "TANDEM_TEST_METADATA"
	if os.Getenv(inside) == "" {
		ns := fmt.Sprintf("tandem-m%d", os.Getpid())
		for _, line := range []string{
			"ip netns add " + ns, "ip -n " + ns + " link set lo up", "ip -n " + ns + " addr add 169.254.169.254/32 dev lo",
		} {
			f := strings.Fields(line)
			if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
			if f[1] == "netns" {
				t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
			}
		}
		c := exec.Command("ip", "netns", "exec", ns, os.Args[0], "-test.v", "-test.run", "^TestWelcomeByMetadata$")
		c.Env = append(os.Environ(), inside+"=1")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}

	l, err := net.Listen("tcp4", "169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	var service atomic.Value // of http.HandlerFunc
	var asked, busy atomic.Int64
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if busy.Add(-1) >= 0 { // the service is late
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		service.Load().(http.HandlerFunc)(w, r)
	}))
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO me"
	user := func(config string) string {
		return "#cloud-config\nhostname: named\nssh_authorized_keys: [\"" + key + "\"]\ntandem: {config: '" + config + "'}\n"
	}
	for _, tt := range []struct {
		name      string
		dmi       [2]string // file and content
		documents map[string]string
		header    [2]string
		late      int64
	}{
		{name: "EC2", dmi: [2]string{"sys_vendor", "Amazon EC2"}, header: [2]string{"X-Aws-Ec2-Metadata-Token", "secret"},
			documents: map[string]string{"/latest/user-data": user("mark = 1")}, late: 1},
		{name: "GCE", dmi: [2]string{"product_name", "Google Compute Engine"}, header: [2]string{"Metadata-Flavor", "Google"},
			documents: map[string]string{"/computeMetadata/v1/instance/attributes/user-data": user("mark = 1")}},
		{name: "OpenStack", dmi: [2]string{"product_name", "OpenStack Nova"},
			documents: map[string]string{"/openstack/latest/user_data": user("mark = 1")}},
		{name: "not valid", dmi: [2]string{"sys_vendor", "Amazon EC2"}, header: [2]string{"X-Aws-Ec2-Metadata-Token", "secret"},
			documents: map[string]string{"/latest/user-data": user("bad")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			service.Store(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, ok := tt.documents[r.URL.Path]
				switch {
				case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
					fmt.Fprint(w, "secret")
				case tt.header[0] != "" && r.Header.Get(tt.header[0]) != tt.header[1]:
					w.WriteHeader(http.StatusUnauthorized)
				case !ok:
					w.WriteHeader(http.StatusNotFound)
				default:
					fmt.Fprint(w, text)
				}
			}))
			m := newMachine(t)
			m.put("/sys/class/dmi/id/"+tt.dmi[0], tt.dmi[1]+"\n")
			busy.Store(tt.late)
			config, said, complaint := "mark = 1", "", ""
			if tt.name == "not valid" {
				config, said, complaint = shipped, "EC2: the configuration is refused, the one before stays: line 1: bad", "1 complaints about the configuration"
			}
			if err := m.welcome(); complaint == "" && err != nil || complaint != "" && (err == nil || err.Error() != complaint) {
				t.Errorf("error %v, want %q", err, complaint)
			}
			if got := m.get(configPath); !strings.Contains(got, config) {
				t.Errorf("configuration %q, want %q", got, config)
			}
			if got := m.get("/console"); !strings.Contains(got, said) {
				t.Errorf("console %q, want %q", got, said)
			}
			if got := m.get("/state/ssh/authorized_keys"); !strings.Contains(got, key) {
				t.Errorf("keys %q", got)
			}
			ran := strings.Join(m.ran, "\n")
			if !strings.Contains(ran, "systemctl start ssh.service") {
				t.Errorf("SSH was not started:\n%s", ran)
			}

			// What came by a credential or a seed disk comes first.
			m = newMachine(t)
			m.put("/sys/class/dmi/id/"+tt.dmi[0], tt.dmi[1]+"\n")
			m.put(foundMark, "credentials\n")
			before := asked.Load()
			if err := m.welcome(); err != nil {
				t.Fatal(err)
			}
			if n := asked.Load() - before; n > 0 {
				t.Errorf("the service was asked %d times", n)
			}
		})
	}
}
