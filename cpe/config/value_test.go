package config

import (
	"fmt"
	"strings"
	"testing"
)

// Every option with values at and beyond its limits; %s stands for the value.
func TestValues(t *testing.T) {
	const (
		main         = "config tandem main\n option %s '%s'\n"
		mainList     = "config tandem main\n list %s '%s'\n"
		concentrator = "config concentrator c\n option enabled 0\n option %s '%s'\n"
		address      = "config concentrator c\n list %s '%s'\n"
		wan          = "config wan w\n option %s '%s'\n"
		role         = "config wan v\n option device v\nconfig wan w\n option device w\n option %s '%s'\n"
		bypass       = "config bypass\n list %s '%s'\n"
	)
	tests := []struct {
		option, in string
		good, bad  []string
	}{
		{"enabled", main, words("0 off false no disabled"), words("2 TRUE y ja -1")},
		{"lan", mainList, words("br-lan eth0.1 lan1 phy0-ap0 wlan+ a~b abcdefghijklmno"), append(words("abcdefghijklmnop . .. a/b a*b br@lan"), `a"b`, "a b", "a\nb")},
		{"syn_data", main, words("on off"), words("1 auto ON")},
		{"first_byte", main, words("auto warm syn plain"), words("on 1 AUTO")},
		{"mode", main, words("bond overflow failover lowest-delay"), words("Bond fast 0")},
		{"warm_min", main, words("0 64"), words("-1 257 x")},
		{"warm_max", main, words("0 256"), words("-1 257 x")},
		{"first_data_wait", main, words("0 1 100 007"), words("101 -1 5ms 1.5 +5 0x5 99999999999999999999")},
		{"server_first_port", mainList, words("1 65535"), words("0 65536 20-21 ssh")},
		{"on_failure", main, words("direct refuse"), words("reject drop")},
		{"port", main, words("1 5125 65535"), words("0 65536 -1 http")},
		{"connect_timeout", main, words("100 10000"), words("99 10001 0 1s")},
		{"max_flows", main, words("1 1048576"), words("0 1048577 many")},
		{"log_level", main, words("debug info warn error"), words("trace INFO 0")},
		{"control", main, append(words("/a /var/run/x.sock"), "/"+strings.Repeat("x", 106)), append(words("a ./a /a/../b /a/ "), "/"+strings.Repeat("x", 107), "/a\nb")},
		{"address", address, words("192.0.2.1 2001:db8::1 127.0.0.1"), words("192.0.2.256 host.example fe80::1%eth0 ::ffff:192.0.2.1 0.0.0.0 :: 224.0.0.1 255.255.255.255 192.0.2.1:5124 [2001:db8::1]")},
		{"port", concentrator, words("1 65535"), words("0 65536")},
		{"cookie", concentrator, append(words("00112233 AABBCCDD"), strings.Repeat("00", 256)), append(words("0 00 0011 001122 0011223g 0x001122"), strings.Repeat("00", 260))},
		{"device", wan, words("wwan0 pppoe-wan eth0.2"), words("a/b br-lan abcdefghijklmnop")},
		{"interface", wan, words("wan wan_6"), words("wan-6 a.b")},
		{"role", role, words("primary secondary standby"), words("backup Primary")},
		{"metered", role, words("1 off"), words("2")},
		{"rate_down", role, words("0 50000 10000000"), words("-1 10000001 50M 1.5")},
		{"rate_up", role, words("0 10000"), words("-1 10M")},
		{"quota", role, words("1M 500M 20G 1T 999999T 007G"), words("0 0G 10 10K 1.5G 10GB 10g 1000000M -1G G M20 +5G 1_0G")},
		{"reset_day", role, words("1 31"), words("0 32 -1 1st")},
		{"quota_action", role, words("standby off"), words("on stop Off")},
		{"quota_warning", role, words("1 80 100"), words("0 101 80%")},
		{"destination", bypass, words("192.0.2.1 192.0.2.0/24 0.0.0.0/0 2001:db8::/32 2001:db8::1"), words("192.0.2.1/24 2001:db8::1/32 192.0.2.0/33 192.0.2.0/255.255.255.0 a.example ::ffff:192.0.2.0/120 fe80::1%x 192.0.2.1-192.0.2.9")},
		{"port", bypass, words("1 65535 80-90 80:90 80-80"), words("0 90-80 80- -80 80-90-100 80,90 1-65536")},
		{"host", bypass, words("192.0.2.1 192.0.2.0/24 2001:db8::/64 02:00:5e:00:53:01 02-00-5E-00-53-01"), words("02:00:5e:00:53 02:00:5e:00:53:01:02:03:04 printer 192.0.2.1/24")},
	}
	for _, tt := range tests {
		for _, v := range tt.good {
			text := fmt.Sprintf(tt.in, tt.option, v)
			if _, err := Parse("tandem", strings.NewReader(text)); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		for _, v := range tt.bad {
			text := fmt.Sprintf(tt.in, tt.option, v)
			_, err := Parse("tandem", strings.NewReader(text))
			if err == nil || !strings.HasPrefix(err.Error(), "tandem:") || !strings.Contains(err.Error(), tt.option) {
				t.Errorf("%q: got %v, want an error with line and option", text, err)
			}
		}
	}
}

// A secret that is mistyped must not end in the log.
func TestCookieNotShown(t *testing.T) {
	_, err := Parse("tandem", strings.NewReader("config concentrator c\n option cookie 'secretsecret'\n"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the cookie", err)
	}
}

func TestLimits(t *testing.T) {
	repeat := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return b.String()
	}
	tests := []struct{ text, refused string }{
		{repeat(8, "config wan w#\n option device d#\n"), ""},
		{repeat(9, "config wan w#\n option device d#\n"), "at most 8 wans"},
		{repeat(9, "config wan w#\n option device d#\n") + " option enabled 0\n", ""},
		{repeat(16, "config concentrator c#\n list address 192.0.2.#\n"), ""},
		{repeat(18, "config concentrator c#\n list address 192.0.2.#\n"), "at most 16 concentrators"},
		{"config concentrator c\n" + repeat(8, " list address 192.0.2.#\n"), ""},
		{"config concentrator c\n" + repeat(9, " list address 192.0.2.#\n"), "at most 8 are allowed"},
		{repeat(1000, "config bypass\n"), ""},
		{repeat(1001, "config bypass\n"), "tandem:1001: more than 1000 sections"},
		{"config bypass\n" + repeat(101, "option x# 1\n"), "unknown option"},
		{"config concentrator c\n", "needs at least one: list address"},
		{"config concentrator c\n option enabled 0\n", ""},
		{"config concentrator\n list address 192.0.2.1\n", "needs a name"},
		{"config tandem\n", "must be named main"},
		{"config tandem other\n", "must be named main"},
		{"config wan a\n option device d\n option role standby\n", "all wans are standby"},
		{"config wan a\n option device d\n option interface d\n", "exactly one of"},
		{"config wan a\n", "exactly one of"},
		{"config wan a\n option device d\nconfig wan b\n option interface d\n", ""},
		{"config wan a\n option interface d\nconfig wan b\n option interface d\n", "interface d is the wan of line 1"},
		{"config tandem main\n option enabled 1\nconfig concentrator c\n list address 192.0.2.1\n", ""},
	}
	for _, tt := range tests {
		_, err := Parse("tandem", strings.NewReader(tt.text))
		switch {
		case tt.refused == "" && err != nil:
			t.Errorf("%q: %v", tt.text, err)
		case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
			t.Errorf("%q: got %v, want %q", tt.text, err, tt.refused)
		}
	}
}

func words(s string) []string { return strings.Fields(s) }
