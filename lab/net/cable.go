package labnet

import (
	"errors"
	"net"

	"github.com/vishvananda/netlink"
)

// cable is a WAN that is a plain veth pair.
type cable struct {
	far *Host
	dev string // at the far end
}

var errCable = errors.New("a plain link can only be switched on and off")

// set switches the far end, which takes the near end's carrier away.
func (c *cable) set(cfg LinkConfig) error {
	if (cfg != LinkConfig{Off: cfg.Off}) {
		return errCable
	}
	state := "up"
	if cfg.Off {
		state = "down"
	}
	return command("", "ip", "-netns", c.far.ns, "link", "set", c.dev, state)
}

func (c *cable) state() (st LinkState, err error) {
	err = c.far.Do(func() error {
		link, err := netlink.LinkByName(c.dev)
		if err == nil {
			st.Config.Off = link.Attrs().Flags&net.FlagUp == 0
		}
		return err
	})
	return st, err
}
