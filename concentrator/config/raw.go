package config

// raw mirrors the file. A nil pointer or slice is a key that was not given.
type raw struct {
	Listen        []string `toml:"listen"`
	Mark          *int64   `toml:"mark"`
	FastOpen      *bool    `toml:"fast_open"`
	FastOpenQueue *int64   `toml:"fast_open_queue"`
	Control       *string  `toml:"control"`
	State         *string  `toml:"state"`
	Advertise     []string `toml:"advertise"`
	Metrics       *string  `toml:"metrics"`

	Log          rawLog          `toml:"log"`
	Limits       rawLimits       `toml:"limits"`
	Connect      rawConnect      `toml:"connect"`
	Authorise    rawAuthorise    `toml:"authorise"`
	Clients      []rawClient     `toml:"client"`
	Destinations rawDestinations `toml:"destinations"`
	BindingLog   rawBindingLog   `toml:"binding_log"`
	Forward      rawForward      `toml:"forward"`
	OnPath       rawOnPath       `toml:"on_path"`
}

type rawForward struct {
	Ports []string `toml:"ports"`
}

type rawOnPath struct {
	Enabled           *bool    `toml:"enabled"`
	Interfaces        []string `toml:"interfaces"`
	Sources           []string `toml:"sources"`
	Port              *int64   `toml:"port"`
	Announce          []string `toml:"announce"`
	LeaveDestinations []string `toml:"leave_destinations"`
	LeavePorts        []int64  `toml:"leave_ports"`
	MPTCPServers      *string  `toml:"mptcp_servers"`
}

type rawLog struct {
	Level *string `toml:"level"`
}

type rawLimits struct {
	MaxConnections      *int64  `toml:"max_connections"`
	MaxPending          *int64  `toml:"max_pending"`
	MaxPendingPerSource *int64  `toml:"max_pending_per_source"`
	FailuresPerMinute   *int64  `toml:"failures_per_minute"`
	MaxSetups           *int64  `toml:"max_setups"`
	MaxNonces           *int64  `toml:"max_nonces"`
	RequestTimeout      *string `toml:"request_timeout"`
	ConnectTimeout      *string `toml:"connect_timeout"`
	MaxParked           *int64  `toml:"max_parked"`
	MaxParkedPerClient  *int64  `toml:"max_parked_per_client"`
	ParkTimeout         *string `toml:"park_timeout"`
	DrainTimeout        *string `toml:"drain_timeout"`
	HandoverTimeout     *string `toml:"handover_timeout"`
}

type rawConnect struct {
	Source   *string  `toml:"source"`
	Preserve []string `toml:"preserve"`
	Source4  []string `toml:"source4"`
	Source6  []string `toml:"source6"`
}

type rawAuthorise struct {
	Cookie           *string `toml:"cookie"`
	CookieLifetime   *string `toml:"cookie_lifetime"`
	CookieSecretFile *string `toml:"cookie_secret_file"`
	Strangers        *string `toml:"strangers"`
}

type rawClient struct {
	Name    *string  `toml:"name"`
	Sources []string `toml:"sources"`
	Cookies []string `toml:"cookies"`
}

type rawDestinations struct {
	AllowPrivate *bool    `toml:"allow_private"`
	Allow        []string `toml:"allow"`
	Deny         []string `toml:"deny"`
	DenyPorts    []int64  `toml:"deny_ports"`
}

type rawBindingLog struct {
	Enabled      *bool  `toml:"enabled"`
	Destinations *bool  `toml:"destinations"`
	Block        *int64 `toml:"block"`
}
