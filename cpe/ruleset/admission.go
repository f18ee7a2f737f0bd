package ruleset

import "fmt"

// A firewall can refuse on its input what is for the router itself, and so a
// connection that is taken over (a zone of fw4 with input REJECT, without the
// rule that the package puts there). The LAN hosts behind it would be without
// the Internet. So the rules hand over a few SYNs of a LAN device; the SYN ACK
// to one of them proves that the firewall admits them. Without that the rest of
// the device's connections is routed.
const (
	// KeptOut is the counter of SYNs that were routed for that.
	KeptOut = "kept_out"

	// unproven matches the SYNs of a device that has had its tries: ten at first,
	// later one an hour, as the firewall may be another by then.
	unproven = "iifname != @admitted limit rate over 1/hour burst 10 packets counter name " + KeptOut + " "

	admittedSet = "\tset admitted {\n\t\ttype ifname\n\t\tsize 256\n\t\tflags dynamic\n\t}\n\n"
)

// admittedRule notes the device of a SYN ACK of ours.
func admittedRule() string {
	return fmt.Sprintf("\t\tmeta mark & %#x == %#x tcp flags & (syn | ack) == (syn | ack) add @admitted { oifname }\n", MarkMask, MarkOwn)
}
