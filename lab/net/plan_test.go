package labnet

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestPlan(t *testing.T) {
	server := Symmetric(0, 0, 20*time.Millisecond)
	tests := map[string]struct {
		spec    Spec
		allowed string
	}{
		"default":    {Spec{}, "reno cubic"},
		"restricted": {Spec{}, "reno bbr"}, // cubic goes on the routes
		"eight":      {Spec{WANs: DefaultWANs(8), PlainWANs: true}, "cubic"},
		"preserve":   {Spec{Topology: Preserve}, "cubic"},
		"inbound":    {Spec{Topology: Inbound}, "cubic"},
		"on-path":    {Spec{Topology: OnPath}, "cubic"},
		"server":     {Spec{ServerLink: &server, CongestionControl: map[string]string{"core": "bbr"}}, "cubic bbr"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.spec.Name = "tandem"
			spec, err := tt.spec.complete()
			if err != nil {
				t.Fatal(err)
			}
			got := planText(plan(spec, strings.Fields(tt.allowed)))
			file := filepath.Join("testdata", "plan-"+name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func planText(hosts map[string]*hostPlan) string {
	var b strings.Builder
	for _, name := range hostName {
		h := hosts[name]
		if h == nil {
			continue
		}
		fmt.Fprintf(&b, "== %s\n-- sysctl\n", name)
		for _, kv := range h.sysctl[len(baseSysctls):] {
			fmt.Fprintf(&b, "%s = %s\n", kv[0], kv[1])
		}
		fmt.Fprintf(&b, "-- tun %q\n-- ip\n%s-- ip -6\n%s-- nft\n%s\n", h.tun, h.ip, h.ip6, h.nft)
	}
	return b.String()
}

func TestSpecRefused(t *testing.T) {
	tests := map[string]Spec{
		"name":      {Name: "other"},
		"name path": {Name: "tandem-../x"},
		"wan":       {WANs: []WAN{{Name: "wan9"}}},
		"wan2":      {WANs: []WAN{{Name: "wan2"}}}, // that is lte
		"wan twice": {WANs: []WAN{{Name: "dsl"}, {Name: "dsl"}}},
		"rate":      {WANs: []WAN{{Name: "dsl", Link: Symmetric(-1, 0, 0)}}},
		"topology":  {Topology: "ring"},
		"server":    {ServerLink: &LinkConfig{Up: Shape{Loss: 2}}},
	}
	for name, s := range tests {
		if _, err := s.complete(); err == nil {
			t.Errorf("%s passed", name)
		}
	}
}

func TestAddressesDiffer(t *testing.T) {
	seen := map[string]string{}
	note := func(what string, d Dual) {
		for _, a := range []string{d.V4.String(), d.V6.String()} {
			if seen[a] != "" {
				t.Errorf("%s is both %s and %s", a, seen[a], what)
			}
			seen[a] = what
		}
	}
	for _, w := range DefaultWANs(MaxWANs) {
		near, far := WANAddr(w.Name)
		note(w.Name+" near", near)
		note(w.Name+" far", far)
	}
	for i := range hostAddresses {
		note("lan", LAN(i))
		note("net", Server(i))
	}
	note("gateway", Gateway())
	note("concentrator", Concentrator())
	if got := LAN(9).V4.String() + " " + Server(0).V6.String(); got != "192.0.2.19 2001:db8:f::10" {
		t.Errorf("got %s", got)
	}
}
