package main

import (
	"context"
	"fmt"

	labnet "tandem/lab/net"
)

func up(ctx context.Context, args []string) error {
	fs, name := newFlags("up")
	wans := fs.Int("wans", 2, "`number` of WANs, 1 to 8: dsl, lte, wan3 …")
	plain := fs.Bool("plain", false, "WANs without rate and delay (veth pairs)")
	server := fs.Duration("server-delay", 0, "one-way `delay` between core and net; makes link \"net\"")
	topology := fs.String("topology", "", "what stands between the hosts: "+labnet.TopologyNames()+" (default: the cpe translates its LAN's addresses)")
	congestion := fs.String("cc", "", "congestion `control` of all hosts (default: cubic on lan and net)")
	if err := parseOnly(fs, args); err != nil {
		return err
	}
	if *wans < 1 || *wans > labnet.MaxWANs {
		return fmt.Errorf("%d wans: want 1 to %d", *wans, labnet.MaxWANs)
	}
	between, err := labnet.ParseTopology(*topology)
	if err != nil {
		return err
	}
	spec := labnet.Spec{Name: *name, Topology: between, WANs: labnet.DefaultWANs(*wans), PlainWANs: *plain, Persistent: true}
	if *server > 0 {
		link := labnet.Symmetric(0, 0, *server)
		spec.ServerLink = &link
	}
	if *congestion != "" {
		spec.CongestionControl = map[string]string{"lan": *congestion, "cpe": *congestion, "core": *congestion, "net": *congestion}
	}
	lab, err := labnet.Up(spec)
	if err != nil {
		return err
	}
	return show(lab, false)
}
