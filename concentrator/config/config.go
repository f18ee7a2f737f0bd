package config

import (
	"log/slog"
	"net/netip"
	"time"

	"tandem/concentrator/source"
	"tandem/shared/credential"
	"tandem/shared/reverse"
)

// DefaultPath is where the daemon looks for its file.
const DefaultPath = "/etc/tandem-concentrator/tandem-concentrator.toml"

// Config is one valid configuration.
type Config struct {
	Listen        []netip.AddrPort // where MPTCP connections are accepted
	Mark          uint32           // SO_MARK of every socket of the daemon, needs CAP_NET_ADMIN; 0: none
	FastOpen      bool             // take data in the SYN (RFC 7413)
	FastOpenQueue int              // TCP_FASTOPEN: connections with data before their third ACK
	Control       string           // path of the control socket
	State         string           // folder of what outlives the process: clients, nonces, volumes
	Advertise     Advertise        // what pairing lines say of where we are
	Metrics       netip.AddrPort   // where Prometheus asks; not valid: nowhere

	Log          Log
	Limits       Limits
	Connect      Connect
	Authorise    Authorise
	Clients      []Client
	Destinations Destinations
	BindingLog   BindingLog
	Forward      Forward
	OnPath       OnPath

	// Warnings are sentences about what is legal and most likely not meant. The
	// daemon logs them.
	Warnings []string
}

// Log says what is logged.
type Log struct {
	Level slog.Level
}

// Limits bound what all clients together can take.
type Limits struct {
	MaxConnections      int           // open at a time
	MaxPending          int           // accepted, request not read yet
	MaxPendingPerSource int           // of these, from one IPv4 address or IPv6 /64
	FailuresPerMinute   int           // requests from one source that are no client's, before it is turned away unread; 0: no limit
	MaxSetups           int           // authorised, server has not answered yet
	MaxNonces           int           // credentials remembered against replay
	MaxParked           int           // made in advance by clients, waiting for a request
	MaxParkedPerClient  int           // of these, from one client
	ParkTimeout         time.Duration // after which a parked connection is closed
	RequestTimeout      time.Duration // from accept to the last byte of the Convert message
	ConnectTimeout      time.Duration // from the dial to the server's SYN+ACK
	DrainTimeout        time.Duration // from SIGTERM until what is still open is cut
	HandoverTimeout     time.Duration // from a hand-over until what the old process has open is cut
}

// Connect says how servers are dialled.
type Connect struct {
	Sources []netip.Addr // addresses of this host to dial from; none of a family: the kernel chooses
	// Source is what clients get that say nothing: Shared or Preserved.
	Source source.Mode
	// Preserve lists the CPEs whose addresses may be dialled with.
	Preserve []netip.Prefix
}

// Advertise says where CPEs find the concentrator: addresses of it, or one
// name. Neither: the addresses of this host.
type Advertise struct {
	Addresses []netip.Addr
	Host      string
	Port      uint16 // 0: the first one of Listen
}

// BindingLog is the record of who used which external address and port.
type BindingLog struct {
	Enabled      bool
	Destinations bool // record also where to, which RFC 6888 REQ-12 advises against
	Block        int  // ports that a client gets at a time, one record for all; 0: one record per connection
}

// Forward says which ports can be given to clients, for connections from
// outside.
type Forward struct {
	Ports []reverse.Ports
}

// Authorise says how a client shows who it is.
type Authorise struct {
	Cookie           CookieMode
	CookieLifetime   time.Duration // of a computed cookie: between once and twice this
	CookieSecretFile string        // empty: a new secret at every start
	Strangers        Strangers
}

// CookieMode says whether clients that have no cookie of their own must show
// one computed by the concentrator (RFC 8803 section 6.2.7).
type CookieMode int

// The two modes.
const (
	CookieNone CookieMode = iota
	CookieComputed
)

// Strangers says what a source gets that no client's prefix covers and that
// shows no right cookie.
type Strangers int

// The two treatments.
const (
	StrangersSilent Strangers = iota // the connection is closed without a byte
	StrangersError                   // RFC 8803 Error TLVs, as for clients
)

// Client is one who may use the concentrator. With Sources alone, the source
// address suffices; with Cookies alone, one of these from anywhere; with both,
// both are needed.
type Client struct {
	Name    string
	Sources []netip.Prefix // never IPv4-mapped
	Cookies [][]byte       // out-of-band cookies, RFC 8803 section 6.2.7
}

// Destinations says where clients may go, beyond what no policy can allow.
type Destinations struct {
	AllowPrivate bool           // private, shared (CGNAT) and unique local ranges
	Allow        []netip.Prefix // exceptions from what is refused by default
	Deny         []netip.Prefix // refused, whatever Allow says
	DenyPorts    []uint16
}

// defaults is the one place where default values are written down.
func defaults() *Config {
	return &Config{
		Listen: []netip.AddrPort{
			netip.MustParseAddrPort("0.0.0.0:5124"),
			netip.MustParseAddrPort("[::]:5124"),
		},
		FastOpen:      true,
		FastOpenQueue: 1024,
		Control:       "/run/tandem-concentrator/control.sock",
		State:         "/var/lib/tandem-concentrator",
		Metrics:       netip.MustParseAddrPort("127.0.0.1:5126"),
		Log:           Log{Level: slog.LevelInfo},
		Limits: Limits{
			MaxConnections:      100_000,
			MaxPending:          4096,
			MaxPendingPerSource: 1024,
			FailuresPerMinute:   20,
			MaxSetups:           4096,
			MaxNonces:           credential.DefaultCapacity,
			MaxParked:           20_000,
			MaxParkedPerClient:  256,
			ParkTimeout:         30 * time.Minute,
			RequestTimeout:      5 * time.Second,
			ConnectTimeout:      30 * time.Second,
			DrainTimeout:        30 * time.Second,
			HandoverTimeout:     24 * time.Hour,
		},
		Connect: Connect{Source: source.Shared},
		Authorise: Authorise{
			Cookie:         CookieNone,
			CookieLifetime: time.Hour,
			Strangers:      StrangersSilent,
		},
		Destinations: Destinations{
			DenyPorts: []uint16{25},
		},
		BindingLog: BindingLog{Enabled: true},
		Forward:    Forward{Ports: []reverse.Ports{{First: 1024, Last: 10239}}},
		OnPath:     OnPath{Port: 5127},
	}
}
