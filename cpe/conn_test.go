package main

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"tandem/cpe/config"
	"tandem/cpe/handshake"
	"tandem/cpe/uplink"
	"tandem/cpe/upstream"
	"tandem/shared/convert"
	"tandem/shared/credential"
	"tandem/shared/logline"
)

func TestVerdict(t *testing.T) {
	dst := netip.MustParseAddr("203.0.113.10")
	for _, tt := range []struct {
		name   string
		answer handshake.Answer
		server bool // the LAN host gets a reset
		retry  bool
		usable bool // by the next flow
	}{
		{"accepted", handshake.Answer{Kind: handshake.Accepted}, false, false, true},
		{"refused", handshake.Answer{Kind: handshake.Refused, Code: convert.ConnectionReset}, true, false, true},
		{"unreachable", handshake.Answer{Kind: handshake.Unreachable, Code: convert.DestinationUnreachable}, true, false, true},
		{"cookie", handshake.Answer{Kind: handshake.NeedsCookie, Code: convert.MissingCookie, Cookie: []byte{1, 2, 3, 4}}, false, true, true},
		{"clock", handshake.Answer{Kind: handshake.WrongTime, Code: credential.WrongTime}, false, true, true},
		{"no proof", handshake.Answer{Kind: handshake.Unproven}, false, false, true}, // booked where it is read
		{"overloaded", handshake.Answer{Kind: handshake.Busy, Code: convert.ResourceExceeded, Wait: time.Minute}, false, false, false},
		{"no way to this server", handshake.Answer{Kind: handshake.Busy, Code: convert.NetworkFailure, Wait: time.Minute}, false, false, true},
		{"policy", handshake.Answer{Kind: handshake.Forbidden, Code: convert.NotAuthorized}, false, false, true},
		{"version", handshake.Answer{Kind: handshake.Broken, Code: convert.UnsupportedVersion}, false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &concentrator{Converter: upstream.NewConverter(logline.New(io.Discard),
				config.Concentrator{Name: "vm", Port: 5124}, nil, 0, time.Second, func() []uplink.WAN { return nil })}
			err := verdict(c, dst, tt.answer)
			if (err == nil) != (tt.answer.Kind == handshake.Accepted) {
				t.Errorf("error %v", err)
			}
			if got := errors.As(err, new(serverError)); got != tt.server {
				t.Errorf("told the LAN host: %v, want %v", got, tt.server)
			}
			if got := errors.As(err, new(retry)); got != tt.retry {
				t.Errorf("asks again: %v, want %v", got, tt.retry)
			}
			if tt.answer.Kind == handshake.NeedsCookie && !bytes.Equal(c.Cookie(), tt.answer.Cookie) {
				t.Errorf("cookie %x, want %x", c.Cookie(), tt.answer.Cookie)
			}
			if got, want := c.spared.has(dst, time.Now()), tt.answer.Code == convert.NetworkFailure; got != want {
				t.Errorf("not asked for this server again: %v, want %v", got, want)
			}
			if got := c.Usable(); got != tt.usable {
				t.Errorf("usable %v, want %v", got, tt.usable)
			}
		})
	}
}
