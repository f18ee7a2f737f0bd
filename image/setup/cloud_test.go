package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// metadata answers with documents to those who show the header.
func metadata(t *testing.T, header, value string, documents map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "" {
			fmt.Fprint(w, "token")
			return
		}
		text, ok := documents[r.URL.Path]
		if header != "" && r.Header.Get(header) != value {
			w.WriteHeader(http.StatusUnauthorized)
		} else if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestCloud(t *testing.T) {
	const config = "#cloud-config\ntandem: {config: 'mark = 0'}\n"
	for _, tt := range []struct {
		name          string
		read          func(context.Context, service) (wish, error)
		header, value string
		documents     map[string]string
		want          wish
	}{
		{"EC2", ec2, "X-Aws-Ec2-Metadata-Token", "token", map[string]string{
			"/latest/user-data": config, "/latest/meta-data/local-hostname": "ip-10-0-0-1.internal",
			"/latest/meta-data/public-keys/0/openssh-key": "ssh-rsa A x\n", "/latest/meta-data/public-ipv4": "203.0.113.9",
		}, wish{hostname: "ip-10-0-0-1", sshKeys: []string{"ssh-rsa A x"}, public: []string{"203.0.113.9"}, config: "mark = 0"}},
		{"GCE", gce, "Metadata-Flavor", "Google", map[string]string{
			"/computeMetadata/v1/instance/attributes/user-data": config, "/computeMetadata/v1/instance/name": "vm",
			"/computeMetadata/v1/instance/attributes/ssh-keys":                               "me:ssh-ed25519 A me\n",
			"/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip": "203.0.113.9",
		}, wish{hostname: "vm", sshKeys: []string{"ssh-ed25519 A me"}, public: []string{"203.0.113.9"}, config: "mark = 0"}},
		{"OpenStack", openStack, "", "", map[string]string{
			"/openstack/latest/user_data": config, "/openstack/latest/meta_data.json": `{"hostname":"vm.novalocal","public_keys":{"k":"ssh-rsa A\n"}}`,
		}, wish{hostname: "vm", sshKeys: []string{"ssh-rsa A"}, config: "mark = 0"}},
		{"nothing there", ec2, "", "", nil, wish{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := service{metadata(t, tt.header, tt.value, tt.documents), http.Header{}}
			w, err := tt.read(context.Background(), s)
			if err != nil {
				t.Fatal(err)
			}
			w.source = ""
			if diff := cmp.Diff(tt.want, w, cmp.AllowUnexported(wish{}, file{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A service that does not answer costs what the context allows, no more.
func TestCloudSilent(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := (service{"http://127.0.0.1:1", http.Header{}}).get(ctx, "/x"); err == nil {
		t.Error("no error")
	}
}

func TestProviders(t *testing.T) {
	for vendor, want := range map[[2]string]string{
		{"product_name", "Google Compute Engine"}: "GCE", {"sys_vendor", "Amazon EC2"}: "EC2",
		{"product_name", "OpenStack Nova"}: "OpenStack", {"product_name", "Standard PC (Q35 + ICH9, 2009)"}: "",
	} {
		dmi := t.TempDir()
		if err := os.WriteFile(filepath.Join(dmi, vendor[0]), []byte(vendor[1]+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range providers {
			if p.here(dmi) {
				got = p.name
				break
			}
		}
		if got != want {
			t.Errorf("%v: %q, want %q", vendor, got, want)
		}
	}
}
