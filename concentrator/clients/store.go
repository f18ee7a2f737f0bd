package clients

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"tandem/concentrator/source"
	"tandem/shared/reverse"
)

// Store is where the daemon finds clients: a folder now, a replicated store or
// RADIUS for a fleet of concentrators later. Whatever stands behind it, Lookup
// and Used are called for each connection: they must not wait.
type Store interface {
	// Lookup returns the key of that ID and the enabled client it belongs to.
	Lookup(id KeyID) (*Entry, bool)
	// Missing says, for the log, why Lookup found nothing.
	Missing(id KeyID) string
	// Used tells that a client has authenticated itself with the key: after a
	// rotation, that ends the older one.
	Used(e *Entry)
	// Enabled says whether there is an enabled client of that name.
	Enabled(name string) bool
	// Owners returns whose the clients' prefixes are.
	Owners() *source.Owners
	// Clients returns all clients, sorted by name.
	Clients() []*Client
}

// Editor is what the command line needs of a store.
type Editor interface {
	Add(c Client) (*Client, error)
	List() ([]*Client, []Problem, error)
	Show(name string) (*Client, error)
	Update(name string, change func(*Client) error) (*Client, error)
	Rotate(name string, atOnce bool) (*Client, error)
	Remove(name string) error
	AddForward(name string, add Forward) (*Client, error)
	RemoveForward(name string, ports reverse.Ports) (*Client, error)
	SetSource(name string, mode source.Mode, prefixes []netip.Prefix) (*Client, error)
}

// Entry is what Lookup finds.
type Entry struct {
	Client *Client
	Key    Key
	// Prepared is what the store's user makes of client and key when they are
	// loaded, so that a connection finds it ready: see Folder.Prepare.
	Prepared any

	settled atomic.Bool // nothing follows from the key's use any more
}

// Problem is a client that could not be loaded.
type Problem struct {
	Client string `json:"client"` // its name, as far as it is known
	Reason string `json:"reason"`
	Kept   bool   `json:"kept,omitempty"` // what was loaded before stays in force
}

// What the command line may want to tell apart.
var (
	ErrNotFound = errors.New("no such client")
	ErrExists   = errors.New("client exists already")
)
