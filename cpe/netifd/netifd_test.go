package netifd

import (
	"context"
	"errors"
	"strings"
	"testing"

	"tandem/cpe/config"
)

const answer = `{"interface":[
 {"interface":"loopback","up":true,"l3_device":"lo","device":"lo"},
 {"interface":"wan","up":true,"pending":false,"l3_device":"pppoe-wan","device":"eth1","ipv4-address":[{"address":"192.0.2.7","mask":32}]},
 {"interface":"lte","up":false,"l3_device":"wwan0","device":"wwan0"},
 {"interface":"new","up":false}]}`

func TestResolve(t *testing.T) {
	c := &config.Config{WANs: []config.WAN{
		{Name: "a", Interface: "wan"}, {Name: "b", Device: "eth9"}, {Name: "c", Interface: "lte"},
		{Name: "d", Interface: "new"}, {Name: "e", Interface: "nobody"},
	}}
	asked := 0
	err := Resolve(t.Context(), c, func(context.Context) ([]byte, error) { asked++; return []byte(answer), nil })
	if err != nil || asked != 1 {
		t.Fatalf("asked %d times, %v", asked, err)
	}
	for i, want := range []string{"pppoe-wan", "eth9", "", "", ""} {
		if got := c.WANs[i].Device; got != want {
			t.Errorf("device of %s = %q, want %q", c.WANs[i].Name, got, want)
		}
	}
}

// Without interfaces by name nobody is asked: other Linux has no netifd.
func TestResolveWithoutInterfaces(t *testing.T) {
	c := &config.Config{WANs: []config.WAN{{Name: "b", Device: "eth9"}}}
	if err := Resolve(t.Context(), c, nil); err != nil {
		t.Error(err)
	}
}

func TestResolveFails(t *testing.T) {
	for name, ask := range map[string]Ask{
		"no ubus":  func(context.Context) ([]byte, error) { return nil, errors.New("no such program") },
		"not JSON": func(context.Context) ([]byte, error) { return []byte("Command failed"), nil },
	} {
		c := &config.Config{WANs: []config.WAN{{Name: "a", Interface: "wan"}}}
		err := Resolve(t.Context(), c, ask)
		if err == nil || !strings.Contains(err.Error(), `interface "wan"`) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
