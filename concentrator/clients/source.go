package clients

import (
	"errors"
	"net/netip"

	"tandem/concentrator/source"
)

// SetSource says from which address a client's connections come, and which
// prefixes are its own. It fails for prefixes that another client has a part
// of.
func (f *Folder) SetSource(name string, mode source.Mode, prefixes []netip.Prefix) (*Client, error) {
	all, _, err := f.List()
	if err != nil {
		return nil, err
	}
	var owned []source.Owned
	for _, c := range all {
		if c.Name != name {
			owned = append(owned, ownedBy(c)...)
		}
	}
	owned = append(owned, ownedBy(&Client{Name: name, Prefixes: prefixes})...)
	return f.Update(name, func(c *Client) error {
		c.Source, c.Prefixes = mode, prefixes
		if err := source.Check(mode, prefixes); err != nil {
			return err // what is wrong with them by themselves says more
		}
		_, conflicts := source.NewOwners(owned)
		var errs []error
		for _, x := range conflicts {
			if x.Owned.Client == name {
				errs = append(errs, x)
			}
		}
		return errors.Join(errs...)
	})
}

func ownedBy(c *Client) (all []source.Owned) {
	for _, p := range c.Prefixes {
		all = append(all, source.Owned{Prefix: p, Client: c.Name})
	}
	return all
}

// Owners returns whose the clients' prefixes are; those of disabled ones stay
// theirs.
func (f *Folder) Owners() *source.Owners { return f.table.Load().owners }
