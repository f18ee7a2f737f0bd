package clients

import (
	"fmt"
	"time"

	"tandem/concentrator/source"
)

// table is one loaded state of the store. It never changes; a reload makes
// another.
type table struct {
	clients  []*Client // by name
	entries  map[KeyID]*Entry
	disabled map[KeyID]string // to the name of the client
	enabled  map[string]bool  // by name
	owners   *source.Owners
	problems []Problem
}

// newTable indexes clients, which are sorted by name. Where files are broken,
// what old has of these clients stays. uses are uses of keys that the files do
// not know of yet.
func newTable(all []*Client, bad []Problem, old *table, uses map[KeyID]time.Time) *table {
	t := &table{entries: make(map[KeyID]*Entry, len(all)), disabled: make(map[KeyID]string), enabled: make(map[string]bool, len(all))}
	all, t.problems = keep(all, bad, old)
	owner := make(map[KeyID]string, len(all))
	shared := overlaps(all)
	for _, c := range all {
		if id, other := clash(c, owner); other != "" {
			t.problems = append(t.problems, Problem{Client: c.Name,
				Reason: fmt.Sprintf("client %q: its key %s belongs to client %q: was the file copied?", c.Name, id, other)})
			continue
		}
		if x, ok := shared[c.Name]; ok {
			t.problems = append(t.problems, Problem{Client: c.Name, Reason: fmt.Sprintf("client %q: %v", c.Name, x)})
			continue
		}
		for _, k := range c.Keys {
			owner[k.ID] = c.Name
		}
		for _, k := range c.Keys {
			if at, ok := uses[k.ID]; ok {
				d := c.clone()
				d.used(k.ID, at)
				c = d
			}
		}
		t.clients = append(t.clients, c)
		t.enabled[c.Name] = c.Enabled
		for i, k := range c.Keys {
			if !c.Enabled {
				t.disabled[k.ID] = c.Name
				continue
			}
			e := &Entry{Client: c, Key: k}
			e.settled.Store(i == 0 && !k.FirstUsed.IsZero())
			t.entries[k.ID] = e
		}
	}
	var owned []source.Owned
	for _, c := range t.clients {
		owned = append(owned, ownedBy(c)...)
	}
	t.owners, _ = source.NewOwners(owned) // no two overlap any more
	return t
}

// overlaps finds the clients with a prefix of which one before them has a part.
func overlaps(all []*Client) map[string]source.Conflict {
	var owned []source.Owned
	for _, c := range all {
		owned = append(owned, ownedBy(c)...)
	}
	_, conflicts := source.NewOwners(owned)
	by := make(map[string]source.Conflict, len(conflicts))
	for _, x := range conflicts {
		by[x.Owned.Client] = x
	}
	return by
}

// keep adds to all what old knew of the clients in bad.
func keep(all []*Client, bad []Problem, old *table) ([]*Client, []Problem) {
	problems := make([]Problem, len(bad))
	copy(problems, bad)
	for i := range problems {
		p := &problems[i]
		for _, c := range old.clients {
			if c.Name == p.Client {
				all, p.Kept = append(all, c), true
			}
		}
	}
	sortByName(all)
	return all, problems
}

// clash returns the key of c that another client has.
func clash(c *Client, owner map[KeyID]string) (KeyID, string) {
	for _, k := range c.Keys {
		if other := owner[k.ID]; other != "" {
			return k.ID, other
		}
	}
	return KeyID{}, ""
}
