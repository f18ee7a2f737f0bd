package main

import (
	"fmt"

	"tandem/cpe/ruleset"
)

// besideMwan3 says what it means that mwan3, with marks of this mask, is at work
// on the router; nothing where it is not.
func besideMwan3(mask uint32) string {
	switch {
	case mask == 0:
		return ""
	case mask&ruleset.MarkMask != 0:
		return fmt.Sprintf("mwan3 marks packets by bits %#x, and Tandem by %#x: write option mmx_mask '0x3F00' in section globals of /etc/config/mwan3 and restart mwan3, or some connections take the wrong way", mask, ruleset.MarkMask)
	}
	return "mwan3 is at work on this router: it chooses lines for what Tandem does not carry, and is told to leave Tandem's own connections alone"
}
