package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"tandem/concentrator/authorise"
	"tandem/concentrator/bindlog"
	"tandem/concentrator/clients"
	"tandem/concentrator/clients/cli"
	"tandem/concentrator/config"
	"tandem/concentrator/connect"
	"tandem/concentrator/limits"
	"tandem/concentrator/qr"
	"tandem/shared/control"
	"tandem/shared/pairing"
	"tandem/shared/reverse"
)

// clientCommand is "tandem-concentrator client": it works on the store's files
// and tells the daemon, which may be down.
func clientCommand(o options, args []string, stdout, stderr io.Writer) int {
	return cli.Command(args, stdout, stderr, func() (cli.Deps, error) {
		cfg, err := config.Load(o.configFile)
		if err != nil {
			return cli.Deps{}, err
		}
		path := cfg.Control
		if o.controlPath != "" {
			path = o.controlPath
		}
		return cli.Deps{
			Store:   clients.NewFolder(clientsFolder(cfg)),
			Line:    func(name string, key clients.Key) (string, error) { return pairingLine(cfg, name, key) },
			Present: present(stdout),
			Poke: func() error {
				_, err := control.Call(path, "reload-clients")
				return err
			},
			MayForward: func(p reverse.Ports) error {
				local, err := bindlog.LocalRange()
				if err != nil {
					return err
				}
				return mayForward(cfg, local, p)
			},
			SourceLacks: func(c *clients.Client) []string { return sourceLacks(cfg, c) },
			Volume: func(name string) (limits.Volume, bool) {
				v, err := control.Ask[limits.Volume](path, "volume", name)
				return v, err == nil
			},
		}, nil
	})
}

// pairingLine makes the line that a CPE joins with.
func pairingLine(cfg *config.Config, name string, key clients.Key) (string, error) {
	l := pairing.Line{ID: key.ID, Key: key.Secret, Client: name, Port: cfg.Advertise.Port,
		Addresses: cfg.Advertise.Addresses, Host: cfg.Advertise.Host}
	if l.Port == 0 {
		l.Port = cfg.Listen[0].Port()
	}
	if len(l.Addresses) == 0 && l.Host == "" {
		var err error
		if l.Addresses, err = publicAddresses(cfg); err != nil {
			return "", err
		}
	}
	return l.Encode()
}

// publicAddresses are this host's that a CPE could connect to, IPv4 first,
// which more access lines have.
func publicAddresses(cfg *config.Config) ([]netip.Addr, error) {
	own, err := connect.Own()
	if err != nil {
		return nil, err
	}
	var v4, v6 []netip.Addr
	public := authorise.NewDestinations(authorise.Policy{})
	for _, a := range own {
		if _, ok := public.Check(netip.AddrPortFrom(a, 1)); !ok || !listensOn(cfg, a) {
			continue
		}
		if a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	all := append(v4, v6...)
	if len(all) == 0 {
		return nil, errors.New("this host has no public address on which the daemon listens; say in the configuration how CPEs reach it, such as advertise = [\"203.0.113.1\"]")
	}
	return all[:min(len(all), pairing.MaxAddresses)], nil
}

func listensOn(cfg *config.Config, a netip.Addr) bool {
	for _, l := range cfg.Listen {
		if l.Addr() == a || l.Addr().IsUnspecified() && l.Addr().Is4() == a.Is4() {
			return true
		}
	}
	return false
}

// present returns how a pairing line is shown: with a QR code where a person
// can see it.
func present(stdout io.Writer) func(io.Writer, string) error {
	f, ok := stdout.(*os.File)
	if !ok {
		return nil
	}
	if fi, err := f.Stat(); err != nil || fi.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(w io.Writer, line string) error {
		code, err := qr.Terminal(line)
		if err == nil {
			_, err = io.WriteString(w, code+"\n")
		}
		_, lineErr := fmt.Fprintf(w, "%s\n\nOn the router: tandem-cpe join, and paste the line.\n", line)
		return errors.Join(err, lineErr)
	}
}

// reloadClients makes the daemon read the store again.
func (d *concentrator) reloadClients([]string) (any, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if err := d.reloadStore(); err != nil {
		return nil, err
	}
	return map[string]int{"clients": len(d.store.Clients())}, nil
}

// volume tells what a client has moved this month.
func (d *concentrator) volume(args []string) (any, error) {
	if len(args) != 1 {
		return nil, errors.New("volume needs the name of a client")
	}
	for _, c := range d.store.Clients() {
		if c.Name == args[0] {
			return d.server.admission.Client(c.Name).Volume(time.Now()), nil
		}
	}
	return nil, clients.ErrNotFound
}
