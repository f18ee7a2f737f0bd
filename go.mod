module tandem

go 1.24.0

require (
	github.com/coreos/go-systemd/v22 v22.7.0
	github.com/digineo/go-uci v0.0.0-20210918132103-37c7b10c14fa
	github.com/google/go-cmp v0.7.0
	github.com/pelletier/go-toml/v2 v2.4.3
	github.com/vishvananda/netlink v1.3.1
	golang.org/x/sys v0.40.0
)

require go.yaml.in/yaml/v3 v3.0.6

require (
	github.com/vishvananda/netns v0.0.5 // indirect
	rsc.io/qr v0.2.0
)
