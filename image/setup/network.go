package main

import (
	"fmt"
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"
)

// networkConfig turns cloud-init's network data, version 1 (Proxmox) or 2
// (netplan's), into units of systemd-networkd: Ethernet with fixed addresses,
// routes, name servers, DHCP. Bonds, bridges and VLANs are complained of.
func networkConfig(w *wish, text []byte) {
	var c struct {
		Network map[string]any `yaml:"network"`
		Version int            `yaml:"version"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		w.complain("network-config: " + err.Error())
		return
	}
	if c.Network != nil { // some wrap it
		text, _ = yaml.Marshal(c.Network)
		_ = yaml.Unmarshal(text, &c)
	}
	var err error
	switch c.Version {
	case 1:
		err = network1(w, text)
	case 2:
		err = network2(w, text)
	default:
		err = fmt.Errorf("version %d is not 1 or 2", c.Version)
	}
	if err != nil {
		w.complain("network-config: " + err.Error())
	}
}

// nic is one interface as both versions describe it.
type nic struct {
	name, mac      string
	dhcp4, dhcp6   bool
	addresses, dns []string
	routes         []route
}

type route struct {
	To  string `yaml:"to"`
	Via string `yaml:"via"`
}

// check finds what systemd-networkd would pass over: half a network is worse
// than the default, which is to ask DHCP.
func (n nic) check() error {
	for _, a := range n.addresses {
		if _, err := netip.ParsePrefix(a); err != nil {
			return fmt.Errorf("%s: %q is no address with its length, as in 192.0.2.5/24", n.name, a)
		}
	}
	others := n.dns
	for _, r := range n.routes {
		others = append(others[:len(others):len(others)], r.Via)
		if _, err := netip.ParsePrefix(r.To); err != nil && r.To != "" && r.To != "default" {
			return fmt.Errorf("%s: %q is no network, as in 192.0.2.0/24", n.name, r.To)
		}
	}
	for _, a := range others {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("%s: %q is no address, as in 192.0.2.1", n.name, a)
		}
	}
	return nil
}

func (n nic) unit() file {
	var b strings.Builder
	b.WriteString("[Match]\nType=ether\n")
	if n.mac != "" {
		fmt.Fprintf(&b, "MACAddress=%s\n", n.mac)
	} else {
		fmt.Fprintf(&b, "Name=%s\n", n.name)
	}
	dhcp := map[[2]bool]string{{true, true}: "yes", {true, false}: "ipv4", {false, true}: "ipv6", {false, false}: "no"}
	fmt.Fprintf(&b, "\n[Network]\nDHCP=%s\nLLMNR=no\nMulticastDNS=no\n", dhcp[[2]bool{n.dhcp4, n.dhcp6}])
	for _, a := range n.addresses {
		fmt.Fprintf(&b, "Address=%s\n", a)
	}
	for _, d := range n.dns {
		fmt.Fprintf(&b, "DNS=%s\n", d)
	}
	for _, r := range n.routes {
		b.WriteString("\n[Route]\n")
		if r.To != "" && r.To != "default" {
			fmt.Fprintf(&b, "Destination=%s\n", r.To)
		}
		// A cloud's gateway may be outside the address's own network.
		fmt.Fprintf(&b, "Gateway=%s\nGatewayOnLink=yes\n", r.Via)
	}
	return file{"50-" + n.name + ".network", b.String()}
}

func network1(w *wish, text []byte) error {
	var c struct {
		Config []struct {
			Type    string   `yaml:"type"`
			Name    string   `yaml:"name"`
			MAC     string   `yaml:"mac_address"`
			Address anyNames `yaml:"address"`
			Subnets []struct {
				Type    string   `yaml:"type"`
				Address string   `yaml:"address"`
				Netmask string   `yaml:"netmask"`
				Gateway string   `yaml:"gateway"`
				DNS     anyNames `yaml:"dns_nameservers"`
			} `yaml:"subnets"`
		} `yaml:"config"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return err
	}
	var nics []nic
	var dns []string
	for _, item := range c.Config {
		switch item.Type {
		case "physical":
		case "nameserver":
			dns = append(dns, item.Address...)
			continue
		default:
			w.complain(fmt.Sprintf("network-config: type %q is not done by this image", item.Type))
			continue
		}
		n := nic{name: item.Name, mac: strings.ToLower(item.MAC)}
		for _, s := range item.Subnets {
			switch s.Type {
			case "dhcp", "dhcp4":
				n.dhcp4 = true
			case "dhcp6", "ipv6_slaac", "ipv6_dhcpv6-stateful", "ipv6_dhcpv6-stateless":
				n.dhcp6 = true
			case "static", "static6":
				address, err := withBits(s.Address, s.Netmask)
				if err != nil {
					return err
				}
				n.addresses = append(n.addresses, address)
				if s.Gateway != "" {
					n.routes = append(n.routes, route{Via: s.Gateway})
				}
			default:
				w.complain(fmt.Sprintf("network-config: subnet type %q is not done by this image", s.Type))
			}
			n.dns = append(n.dns, s.DNS...)
		}
		nics = append(nics, n)
	}
	var units []file
	for _, n := range nics {
		n.dns = append(n.dns, dns...)
		if err := n.check(); err != nil {
			return err
		}
		units = append(units, n.unit())
	}
	w.network = append(w.network, units...)
	return nil
}

func network2(w *wish, text []byte) error {
	var c struct {
		Ethernets map[string]struct {
			Match struct {
				MAC  string `yaml:"macaddress"`
				Name string `yaml:"name"`
			} `yaml:"match"`
			DHCP4     bool     `yaml:"dhcp4"`
			DHCP6     bool     `yaml:"dhcp6"`
			Addresses []string `yaml:"addresses"`
			Gateway4  string   `yaml:"gateway4"`
			Gateway6  string   `yaml:"gateway6"`
			Routes    []route  `yaml:"routes"`
			DNS       struct {
				Addresses []string `yaml:"addresses"`
			} `yaml:"nameservers"`
		} `yaml:"ethernets"`
		Rest map[string]any `yaml:",inline"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return err
	}
	for _, other := range []string{"bonds", "bridges", "vlans", "wifis", "tunnels"} {
		if c.Rest[other] != nil {
			w.complain("network-config: " + other + " are not done by this image")
		}
	}
	var units []file
	for name, e := range c.Ethernets {
		n := nic{name: name, mac: strings.ToLower(e.Match.MAC), dhcp4: e.DHCP4, dhcp6: e.DHCP6,
			addresses: e.Addresses, dns: e.DNS.Addresses, routes: e.Routes}
		if e.Match.Name != "" {
			n.name = e.Match.Name
		}
		for _, gateway := range []string{e.Gateway4, e.Gateway6} {
			if gateway != "" {
				n.routes = append(n.routes, route{Via: gateway})
			}
		}
		if err := n.check(); err != nil {
			return err
		}
		u := n.unit()
		u.name = "50-" + name + ".network"
		units = append(units, u)
	}
	w.network = append(w.network, units...)
	return nil
}
