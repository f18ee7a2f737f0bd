// Package netifd finds out which kernel device an OpenWrt interface has at the
// moment: pppoe-wan for wan, wwan0 or qmimux0 for an LTE stick, none while it is
// down. OpenWrt's netifd knows; it is asked once at a start and again whenever
// its hotplug event pokes the daemon.
package netifd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tandem/cpe/config"
	"tandem/shared/program"
	"tandem/shared/smalljson"
)

// Ask returns netifd's list of interfaces as JSON.
type Ask func(ctx context.Context) ([]byte, error)

// Resolve sets the device of each line that the configuration names by its
// interface; it stays empty where the interface has none now. The error says
// that netifd could not be asked; lines named by device do not need it.
func Resolve(ctx context.Context, c *config.Config, ask Ask) error {
	var dump *dump
	for i := range c.WANs {
		w := &c.WANs[i]
		if w.Interface == "" {
			continue
		}
		if dump == nil {
			var err error
			if dump, err = read(ctx, ask); err != nil {
				return fmt.Errorf("cannot ask netifd for the device of interface %q: %w", w.Interface, err)
			}
		}
		w.Device = dump.device(w.Interface)
	}
	return nil
}

type dump struct {
	Interface []struct {
		Interface string `json:"interface"`
		Up        bool   `json:"up"`
		L3Device  string `json:"l3_device"`
	} `json:"interface"`
}

// device prefers the layer-3 device, which packets leave by: pppoe-wan, not the
// modem's eth1.
func (d *dump) device(name string) string {
	for _, i := range d.Interface {
		if i.Interface == name && i.Up {
			return i.L3Device
		}
	}
	return ""
}

// timeout is generous: ubusd is busy while all interfaces come up.
const timeout = 5 * time.Second

func read(ctx context.Context, ask Ask) (*dump, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	text, err := ask(ctx)
	if err != nil {
		return nil, err
	}
	d := new(dump)
	return d, smalljson.Unmarshal(text, d)
}

// UBus asks by OpenWrt's own program.
func UBus(ctx context.Context) ([]byte, error) {
	text, complaints, err := program.Run(ctx, "", "ubus", "-S", "call", "network.interface", "dump")
	if err != nil && complaints != "" {
		return nil, fmt.Errorf("ubus: %s", strings.TrimSpace(complaints))
	}
	return []byte(text), err
}
