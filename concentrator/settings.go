package main

import (
	"crypto/rand"
	"net/netip"
	"slices"

	"tandem/concentrator/authorise"
	"tandem/concentrator/bindlog"
	"tandem/concentrator/config"
	"tandem/concentrator/connect"
	"tandem/concentrator/source"
)

// settings is one loaded configuration and what was made from it. It never
// changes; a reload makes another.
type settings struct {
	config  *config.Config
	gate    *authorise.Gate         // clients known by address or cookie
	members map[string]*member      // these, by name
	where   *authorise.Destinations // for clients that have no lists of their own
	dialer  connect.Dialer
	sources connect.Sources
	book    *bindlog.Book
	own     *bindlog.Book // of connections from addresses that are a client's alone
}

// newSettings prepares cfg for s. freshSecret is the key of computed cookies
// where the configuration names no file with one.
func (s *server) newSettings(cfg *config.Config, freshSecret []byte) (*settings, error) {
	secret := freshSecret
	if cfg.Authorise.CookieSecretFile != "" {
		var err error
		if secret, err = cfg.Authorise.Secret(); err != nil {
			return nil, err
		}
	}
	clients := make([]authorise.Client, 0, len(cfg.Clients))
	for _, c := range cfg.Clients {
		clients = append(clients, authorise.Client(c))
	}
	d := cfg.Destinations
	next := &settings{
		config: cfg,
		gate: authorise.NewGate(authorise.Rules{
			Clients:         clients,
			Computed:        cfg.Authorise.Cookie == config.CookieComputed,
			Secret:          secret,
			Lifetime:        cfg.Authorise.CookieLifetime,
			AnswerStrangers: cfg.Authorise.Strangers == config.StrangersError,
		}),
		where: authorise.NewDestinations(authorise.Policy{
			AllowPrivate: d.AllowPrivate, Allow: d.Allow, Deny: d.Deny, DenyPorts: d.DenyPorts, Own: &s.own,
		}),
		dialer:  connect.Dialer{Mark: cfg.Mark},
		sources: connect.Sources(cfg.Connect.Sources),
		book:    s.newBook(cfg.BindingLog),
		own:     s.newOwnBook(cfg.BindingLog),
		members: make(map[string]*member, len(cfg.Clients)),
	}
	for _, c := range cfg.Clients {
		next.members[c.Name] = &member{name: c.Name, limits: s.admission.Client(c.Name), where: next.where, source: source.Client{Name: c.Name}}
	}
	return next, nil
}

// covers tells whether an address alone makes its owner a client.
func (set *settings) covers(source netip.Addr) bool {
	o := &set.config.OnPath
	return set.gate.Covers(source) ||
		o.Enabled && slices.ContainsFunc(o.Sources, func(p netip.Prefix) bool { return p.Contains(source.Unmap()) })
}

// newBook returns the binding log that cfg asks for, nil for none.
func (s *server) newBook(cfg config.BindingLog) *bindlog.Book {
	if !cfg.Enabled {
		return nil
	}
	book := &bindlog.Book{Ports: s.ports, Destinations: cfg.Destinations}
	if cfg.Block == 0 || cfg.Destinations { // blocks are recorded by themselves
		book.Log = s.bindings
	}
	return book
}

// newOwnBook is the same for addresses that no other client has: their ports
// need no quarantine, and each connection is recorded.
func (s *server) newOwnBook(cfg config.BindingLog) *bindlog.Book {
	if !cfg.Enabled {
		return nil
	}
	return &bindlog.Book{Log: s.bindings, Destinations: cfg.Destinations}
}

// newSecret returns a key for computed cookies that lasts until the end of
// the process.
func newSecret() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}
