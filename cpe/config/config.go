package config

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"time"

	"tandem/shared/credential"
	"tandem/shared/logline"
	"tandem/shared/nocmp"
)

// Config is a valid configuration. Sections with "option enabled 0" were
// checked and left out.
type Config struct {
	Enabled          bool           // false: run nothing, touch nothing
	LAN              []string       // devices whose hosts are served
	Mode             Mode           // how lines are chosen for a flow, unless a rule says otherwise
	Accept           Accept         // when a LAN host's connection is accepted
	FirstByte        FirstByte      // how a request reaches a concentrator
	WarmMin, WarmMax int            // connections kept ready for flows to come, of each concentrator
	FirstDataWait    time.Duration  // wait for a LAN host's first bytes
	ServerFirstPorts []uint16       // no such wait for these, ascending
	OnFailure        OnFailure      // what a flow gets when no concentrator answers
	Port             uint16         // transparent listener, TCP, IPv4 and IPv6
	ConnectTimeout   time.Duration  // how long a concentrator may take to answer
	MaxFlows         int            // flows carried at a time; more go direct
	MemoryLimit      int            // MiB; the init script makes it GOMEMLIMIT, 0: as the router's memory suggests
	GCPercent        int            // the init script makes it GOGC, 0: as the router's memory suggests
	LogLevel         logline.Level  // least level logged
	Control          string         // path of the control socket
	Concentrators    []Concentrator // order of preference
	WANs             []WAN          // order of preference
	Bypass           Bypass         // what is never intercepted
	Rules            []Rule         // what becomes of the rest; the first that matches decides
	QUIC             QUIC           // of LAN hosts, where no rule matches
	Redirects        []Redirect     // connections from outside
}

// Accept says when a LAN host's connection is accepted.
type Accept uint8

// The values of option accept.
const (
	AcceptEarly    Accept = iota // at once: its first bytes travel with the request
	AcceptFaithful               // when its server has accepted, as without a proxy
)

// FirstByte says how a request travels to a concentrator.
type FirstByte uint8

// The values of option first_byte.
const (
	// FirstByteAuto is the best that line and concentrator are known for: a
	// warm connection if one is ready, else in the SYN, else plain.
	FirstByteAuto  FirstByte = iota
	FirstByteWarm            // on a connection made in advance; plain if none is ready
	FirstByteSYN             // in the MPTCP SYN where that gets through
	FirstBytePlain           // after the handshake
)

// Warm tells whether connections are to be made in advance.
func (b FirstByte) Warm() bool { return b == FirstByteAuto || b == FirstByteWarm }

// OnFailure says what becomes of a flow that no concentrator takes.
type OnFailure uint8

// The values of option on_failure.
const (
	FailDirect OnFailure = iota // dial the server directly
	FailRefuse                  // reset the LAN host's connection
)

// Concentrator is one far end.
type Concentrator struct {
	Name      string
	Addresses []netip.Addr // one or more, order of preference
	Port      uint16
	Cookie    []byte // of the Cookie TLV, RFC 8803 section 6.2.7; nil if none
	// Key names the key that this router proves itself with; zero if none. The
	// secret is in a file of that name, see package keys.
	Key credential.KeyID
	// Forwards lets the concentrator's operator name LAN hosts for connections
	// from outside, which otherwise only Redirects do.
	Forwards bool
	// OnPath: it stands on the way of the primary line and takes MPTCP
	// connections to any server over. There is no request then. Addresses and Port
	// are where it is asked whether it works.
	OnPath bool
}

// Equal says whether c and o are the same.
func (c Concentrator) Equal(o Concentrator) bool {
	return c.Name == o.Name && slices.Equal(c.Addresses, o.Addresses) && c.Port == o.Port &&
		bytes.Equal(c.Cookie, o.Cookie) && c.Key == o.Key && c.Forwards == o.Forwards && c.OnPath == o.OnPath
}

// OnPath tells whether one of the concentrators stands on the path.
func (c *Config) OnPath() bool {
	return slices.ContainsFunc(c.Concentrators, func(one Concentrator) bool { return one.OnPath })
}

// Keys returns the ids of the keys that are used, each once.
func (c *Config) Keys() (ids []credential.KeyID) {
	for _, one := range c.Concentrators {
		if one.Key != (credential.KeyID{}) && !slices.Contains(ids, one.Key) {
			ids = append(ids, one.Key)
		}
	}
	return ids
}

// Role is a WAN's place in the steering policy.
type Role uint8

// The values of option role.
const (
	Primary Role = iota
	Secondary
	Standby
)

// WAN is one uplink. Exactly one of Device and Interface is set in a file; where
// it is Interface, package netifd sets Device while the interface has one.
type WAN struct {
	_         nocmp.Field
	Name      string
	Device    string // kernel device, such as pppoe-wan
	Interface string // OpenWrt interface, whose device netifd knows
	Role      Role
	Metered   bool
	// RateDown and RateUp are what the line can carry, in kbit/s; 0: that is
	// learnt.
	RateDown, RateUp int

	Quota        uint64 // bytes, both directions; 0: none
	ResetDay     int    // of the month, when counting starts anew
	QuotaAction  QuotaAction
	QuotaWarning int // percent of Quota
}

// QuotaAction is what becomes of a line whose quota is used up.
type QuotaAction uint8

// The values of option quota_action.
const (
	QuotaStandby QuotaAction = iota // used when no other line works
	QuotaOff                        // not used
)

// String names an action as the file does.
func (a QuotaAction) String() string {
	if a == QuotaOff {
		return "off"
	}
	return "standby"
}

// Bypass lists what is never intercepted, all bypass sections together.
type Bypass struct {
	Destinations []netip.Prefix
	Ports        []PortRange
	Hosts        []netip.Prefix     // LAN hosts by address
	MACs         []net.HardwareAddr // LAN hosts by Ethernet address
}

// PortRange holds First to Last, both included.
type PortRange struct {
	First, Last uint16
}

// Limits of what a file may ask for.
const (
	maxWANs          = 8   // MPTCP holds 8 subflows on kernels up to 6.18
	maxConcentrators = 16  // sections
	maxAddresses     = 8   // of one concentrator
	maxCookie        = 256 // bytes; RFC 7413 cookies have 4 to 16
	maxFirstDataWait = 100 * time.Millisecond
	minTimeout       = 100 * time.Millisecond
	maxTimeout       = 10 * time.Second
	maxMaxFlows      = 1 << 20
	maxMemory        = 1 << 20 // MiB
	maxGCPercent     = 10000
	maxWarm          = 256
	maxRate          = 10_000_000 // kbit/s
	maxDeviceName    = 15         // IFNAMSIZ less the final zero byte
	maxSocketPath    = 107        // sun_path less the final zero byte
	maxResetDay      = 31         // in shorter months the last day
	maxQuotaWarning  = 100        // percent

	// defaultConvertPort is where concentrators listen.
	defaultConvertPort = 5124

	defaultResetDay     = 1
	defaultQuotaWarning = 80
)

// Default is the configuration of an empty file. All defaults that do not
// depend on other values stand here; a test compares the sample file to it.
func Default() Config {
	return Config{
		Enabled:       false,
		Mode:          Bond,
		LAN:           []string{"br-lan"},
		FirstByte:     FirstByteAuto,
		WarmMin:       2,
		WarmMax:       64,
		FirstDataWait: 5 * time.Millisecond,
		ServerFirstPorts: []uint16{
			21,   // FTP
			22,   // SSH
			23,   // Telnet
			24,   // LMTP
			25,   // SMTP
			110,  // POP3
			119,  // NNTP
			143,  // IMAP
			220,  // IMAP 3
			587,  // mail submission
			2222, // SSH, where port 22 is taken
			2525, // mail submission, where port 25 is blocked
			3306, // MySQL
			3690, // Subversion
			4190, // ManageSieve
			5900, // VNC
		},
		OnFailure:      FailDirect,
		Port:           5125,
		ConnectTimeout: 700 * time.Millisecond,
		MaxFlows:       4096,
		LogLevel:       logline.Info,
		Control:        "/var/run/tandem/control.sock",
	}
}
