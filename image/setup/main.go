// Command setup makes a Tandem concentrator out of a fresh image, and keeps it
// in step with what the hypervisor or the cloud says of it.
//
// It runs twice at every boot. "local" comes before the network and before the
// concentrator: keys, host name, configuration from systemd credentials or a
// seed disk. "welcome" comes when both are up: configuration from the cloud's
// metadata service, and, if nobody has configured anything, the first client
// and its pairing line on the console.
//
// A wish that is not valid is refused and said; the last good configuration
// stays. It is no cloud-init, which would double the image (Python) and can do
// everything to a host; it reads the same user data and takes of it what
// concerns this appliance: userdata.go.
//
// Reading order: wish.go (what can be asked for), credentials.go, seed.go,
// cloud.go (where from), userdata.go, cloudconfig.go, network.go (formats),
// apply.go, sshkeys.go, config.go (what is done), local.go, welcome.go.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		misused()
	}
	m := machine{}
	var err error
	switch os.Args[1] {
	case "local":
		err = m.local()
	case "welcome":
		err = m.welcome()
	default:
		misused()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func misused() {
	fmt.Fprintln(os.Stderr, "usage: setup local|welcome")
	os.Exit(2)
}
