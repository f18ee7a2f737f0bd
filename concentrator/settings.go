package main

import (
	"crypto/rand"

	"github.com/tandem-mptcp/tandem/concentrator/authorise"
	"github.com/tandem-mptcp/tandem/concentrator/config"
	"github.com/tandem-mptcp/tandem/concentrator/connect"
)

// settings is one loaded configuration and what was made from it. It never
// changes; a reload makes another.
type settings struct {
	config *config.Config
	gate   *authorise.Gate
	where  *authorise.Destinations
	dialer connect.Dialer
}

// newSettings prepares cfg. freshSecret is the key of computed cookies where
// the configuration names no file with one.
func newSettings(cfg *config.Config, freshSecret []byte) (*settings, error) {
	secret := freshSecret
	if cfg.Authorise.CookieSecretFile != "" {
		var err error
		if secret, err = cfg.Authorise.Secret(); err != nil {
			return nil, err
		}
	}
	own, err := connect.Own()
	if err != nil {
		return nil, err
	}
	clients := make([]authorise.Client, 0, len(cfg.Clients))
	for _, c := range cfg.Clients {
		clients = append(clients, authorise.Client(c))
	}
	d := cfg.Destinations
	return &settings{
		config: cfg,
		gate: authorise.NewGate(authorise.Rules{
			Clients:         clients,
			Computed:        cfg.Authorise.Cookie == config.CookieComputed,
			Secret:          secret,
			Lifetime:        cfg.Authorise.CookieLifetime,
			AnswerStrangers: cfg.Authorise.Strangers == config.StrangersError,
		}),
		where: authorise.NewDestinations(authorise.Policy{
			AllowPrivate: d.AllowPrivate, Allow: d.Allow, Deny: d.Deny, DenyPorts: d.DenyPorts, Own: own,
		}),
		dialer: connect.Dialer{Mark: cfg.Mark, Source4: cfg.Connect.Source4, Source6: cfg.Connect.Source6},
	}, nil
}

// newSecret returns a key for computed cookies that lasts until the end of
// the process.
func newSecret() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}
