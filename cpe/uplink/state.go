package uplink

// State is how well a line serves. Only Down ones get no connections.
type State uint8

// The states, the best first.
const (
	Up        State = iota
	Degraded        // works, but loses much or has become slow
	NoSynData       // works, but takes no data in the SYN
	NoMPTCP         // works, but something on the way removes MPTCP
	Down            // no device, no address, no carrier, or nothing comes back
)

// String names a state as status and logs do.
func (s State) String() string {
	return [...]string{"up", "degraded", "no-syn-data", "no-mptcp", "down"}[s]
}
