package main

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mimeArchive = `Content-Type: multipart/mixed; boundary="b"
MIME-Version: 1.0

--b
Content-Type: text/cloud-config

#cloud-config
hostname: one.example.net
--b
Content-Type: text/plain

#tandem-concentrator
mark = 0
--b--
`

func TestUserData(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("#cloud-config\nfqdn: zip.example.net\n"))
	z.Close()
	for _, tt := range []struct {
		name, in string
		want     wish
	}{
		{"empty", " \n", wish{}},
		{"own format", "#tandem-concentrator\nmark = 0\n", wish{config: "#tandem-concentrator\nmark = 0\n"}},
		{"gzip", packed.String(), wish{hostname: "zip"}},
		{"archive", mimeArchive, wish{hostname: "one", config: "#tandem-concentrator\nmark = 0"}},
		{"cloud-config", `#cloud-config
hostname: vm
ssh_authorized_keys: [ssh-ed25519 AAAA me]
ntp: {servers: [192.0.2.1], pools: [pool.example.net]}
tandem:
  update_window: "04:30"
  config: |
    mark = 0
`, wish{hostname: "vm", sshKeys: []string{"ssh-ed25519 AAAA me"}, ntp: []string{"192.0.2.1", "pool.example.net"},
			updateWindow: "04:30", config: "mark = 0\n"}},
		{"file", "#cloud-config\nwrite_files:\n- path: " + configPath + "\n  content: a = 1\n- path: /etc/passwd\n  content: x\n",
			wish{config: "a = 1", complaints: []string{`write_files: "/etc/passwd" is not written; only "` + configPath + `" is`}}},
		{"not for us", "#cloud-config\nruncmd: [reboot]\npackages: [vim]\n", wish{complaints: []string{"not done by this image: packages, runcmd"}}},
		{"user", "#cloud-config\nusers: [default, {name: me, ssh_authorized_keys: [k]}]\n",
			wish{sshKeys: []string{"k"}, complaints: []string{"user me is not made: the keys are taken for root"}}},
		{"script", "#!/bin/sh\nreboot\n", wish{complaints: []string{"scripts are not run by this image"}}},
		{"broken yaml", "#cloud-config\na: [\n", wish{complaints: []string{"yaml: line 2: did not find expected node content"}}},
		{"broken gzip", "\x1f\x8bxx", wish{complaints: []string{"gzip: unexpected EOF"}}},
		{"other", "Hello there", wish{complaints: []string{`starts with "Hello there"; this image reads #cloud-config, #tandem-concentrator and MIME archives of these`}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.source = "test"
			for i, c := range tt.want.complaints {
				tt.want.complaints[i] = "test: " + c
			}
			if diff := cmp.Diff(tt.want, userData("test", []byte(tt.in)), cmp.AllowUnexported(wish{}, file{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestNetworkConfig(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"version 1", `version: 1
config:
- type: physical
  name: eth0
  mac_address: 'BC:24:11:AA:BB:CC'
  subnets:
  - {type: static, address: 192.0.2.5, netmask: 255.255.255.192, gateway: 192.0.2.1}
  - {type: static6, address: '2001:db8::5/64', gateway: 'fe80::1'}
- {type: nameserver, address: [192.0.2.53], search: [x]}
`, `[Match]
Type=ether
MACAddress=bc:24:11:aa:bb:cc

[Network]
DHCP=no
LLMNR=no
MulticastDNS=no
Address=192.0.2.5/26
Address=2001:db8::5/64
DNS=192.0.2.53

[Route]
Gateway=192.0.2.1
GatewayOnLink=yes

[Route]
Gateway=fe80::1
GatewayOnLink=yes
`},
		{"version 2", `network:
  version: 2
  ethernets:
    lan:
      match: {name: en*}
      dhcp6: true
      addresses: [192.0.2.5/24]
      routes: [{to: default, via: 192.0.2.1}, {to: 10.0.0.0/8, via: 192.0.2.9}]
      nameservers: {addresses: [192.0.2.53]}
`, `[Match]
Type=ether
Name=en*

[Network]
DHCP=ipv6
LLMNR=no
MulticastDNS=no
Address=192.0.2.5/24
DNS=192.0.2.53

[Route]
Gateway=192.0.2.1
GatewayOnLink=yes

[Route]
Destination=10.0.0.0/8
Gateway=192.0.2.9
GatewayOnLink=yes
`},
	} {
		w := wish{source: "test"}
		networkConfig(&w, []byte(tt.in))
		if len(w.network) != 1 || len(w.complaints) != 0 {
			t.Fatalf("%s: %+v", tt.name, w)
		}
		if diff := cmp.Diff(tt.want, w.network[0].text); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
	for name, in := range map[string]string{
		"version": "version: 9\n", "netmask": "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: static, address: 192.0.2.1, netmask: x}]}]",
		"length":  "version: 2\nethernets: {a: {addresses: [192.0.2.5]}}\n",
		"gateway": "version: 2\nethernets: {a: {addresses: [192.0.2.5/24], gateway4: 192.0.2.1/24}}\n",
		"dns":     "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: dhcp}]}, {type: nameserver, address: [dns.example]}]\n",
		"bond":    "version: 2\nbonds: {b: {}}\n", "vlan": "version: 1\nconfig: [{type: vlan}]\n", "yaml": "[", "address": "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: static, address: no}]}]",
	} {
		w := wish{source: "test"}
		if networkConfig(&w, []byte(in)); len(w.network) > 0 || len(w.complaints) != 1 || !strings.HasPrefix(w.complaints[0], "test: network-config: ") {
			t.Errorf("%s: complaints %q", name, w.complaints)
		}
	}
}
