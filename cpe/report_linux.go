package main

import (
	"fmt"
	"strings"

	"tandem/shared/mptcp"
)

// mptcpState is what the kernel's path manager holds, ours and others'.
func mptcpState() string {
	pm, err := mptcp.Open()
	if err != nil {
		return err.Error() + "\n"
	}
	defer pm.Close()
	var b strings.Builder
	limits, err := pm.Limits()
	fmt.Fprintf(&b, "limits %+v %v\n", limits, err)
	endpoints, err := pm.Endpoints()
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	for _, e := range endpoints {
		fmt.Fprintf(&b, "endpoint %+v\n", e)
	}
	return b.String()
}
