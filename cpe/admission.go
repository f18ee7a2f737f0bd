package main

import (
	"time"

	"tandem/cpe/nfnetlink"
	"tandem/cpe/ruleset"
)

// admissionTick is how often the rules are asked whether they route what a
// firewall would refuse. They do that by themselves, and an idle router sleeps.
const admissionTick = time.Minute

const keptOutWords = "the router's firewall refuses connections that are to be taken over: those of a LAN device go direct. Let its input accept packets with mark 0x10000000/0x30000000 (tandem-cpe(8), ON OPENWRT)"

// keepsOut tells whether the firewall refuses what is taken over of a LAN device.
func keepsOut() bool {
	n, err := nfnetlink.Packets(ruleset.Table, ruleset.KeptOut)
	return err == nil && n > 0
}

// watchAdmission says so in the log, once each time that it begins.
func (i *interception) watchAdmission() {
	before := i.keptOut
	if i.keptOut = keepsOut(); i.keptOut && !before {
		i.log.Warn(keptOutWords)
	}
}
