package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"tandem/concentrator/bindlog"
)

// whoHad answers from the log on stdin which client had an external address
// and port.
func whoHad(o options, log io.Reader, stdout io.Writer) error {
	external, err := netip.ParseAddrPort(o.external)
	if err != nil || external.Port() == 0 {
		return fmt.Errorf("%q is not an address with a port, such as 203.0.113.1:40971 or [2001:db8::1]:40971", o.external)
	}
	at := time.Now()
	if o.at != "" {
		if at, err = time.Parse(time.RFC3339, o.at); err != nil {
			return fmt.Errorf("--at: %q is not a time such as 2026-11-24T12:00:00Z", o.at)
		}
	}
	client, ok, err := bindlog.Find(log, external, at)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("nobody, by this log; is it the whole of that day, and the next for connections that were open for long?")
	}
	fmt.Fprintln(stdout, client)
	return nil
}
