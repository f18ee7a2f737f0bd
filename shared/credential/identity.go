package credential

import (
	"fmt"
	"io"
)

// The labels from which the keys of the two directions are derived.
const (
	credentialLabel = "tandem credential 1"
	proofLabel      = "tandem proof 1"
)

// Identity is a key made ready for use, about 300 bytes. It may be used from
// many goroutines.
type Identity struct {
	id KeyID
	// They are as good as the key, and hidden in the same way.
	macs func() *macs
}

// macs are the MACs of the two directions.
type macs struct {
	credential, proof mac
}

// NewIdentity makes a key ready. It panics for the zero Key.
func NewIdentity(id KeyID, key Key) *Identity {
	if key.IsZero() {
		panic("credential: identity without a key")
	}
	m := newMAC(key.secret()[:])
	derive := func(label string) mac {
		sum := m.sum(nil, []byte(label))
		return newMAC(sum[:])
	}
	made := &macs{credential: derive(credentialLabel), proof: derive(proofLabel)}
	return &Identity{id: id, macs: func() *macs { return made }}
}

// ID is the id of the key.
func (i *Identity) ID() KeyID { return i.id }

// String is the id of the key.
func (i *Identity) String() string { return i.id.String() }

// Format writes the id of the key, whatever the verb.
func (i *Identity) Format(f fmt.State, _ rune) { io.WriteString(f, i.id.String()) }
