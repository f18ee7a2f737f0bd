package config

import (
	"net"
	"testing"
)

func TestParseMAC(t *testing.T) {
	for _, s := range []string{
		"02:00:5e:00:53:01", "02-00-5E-00-53-01", "0200.5e00.5301", "02:00:5E:00:53:aF",
		"", "02", "02:00:5e:00:53", "02:00:5e:00:53:01:02", "0200:5e00:5301", "02.00.5e.00.53.01",
		"02:00:5e:00:53:1", "2:00:5e:00:53:01", "02:00-5e:00:53:01", "02:00:5e:00:53:0g", "020:05e:00:53:01",
		"02:00:5e:00:53:01:", ":02:00:5e:00:53:01", "0200.5e00.53.01", "02:00:5e:00:53:01:02:03", "é2:00:5e:00:53:01",
	} {
		want, err := net.ParseMAC(s)
		if err != nil || len(want) != 6 {
			want = nil
		}
		if got := parseMAC(s); got.String() != want.String() {
			t.Errorf("%q is %v, want %v", s, got, want)
		}
	}
}
