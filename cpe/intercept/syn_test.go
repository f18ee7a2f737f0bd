package intercept

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestParseSYN(t *testing.T) {
	const (
		v4     = "4500003c1c4640004006b1e6 c0000202 cb007102 9c400050 00000000"
		v4opts = "4600003c1c4640004006b1e6 c0000202 cb007102 01010101 9c400050"
		v6     = "6000000000280640 20010db8000100000000000000000002 20010db8000200000000000000000002 9c400050"
	)
	flow4, flow6 := "192.0.2.2:40000 203.0.113.2:80", "[2001:db8:1::2]:40000 [2001:db8:2::2]:80"
	for name, tt := range map[string]struct{ packet, want string }{
		"v4":               {v4, flow4},
		"v4 with options":  {v4opts, flow4},
		"v6":               {v6, flow6},
		"v6, extension":    {strings.Replace(v6, "280640", "280040", 1), ""},
		"udp":              {strings.Replace(v4, "4006", "4011", 1), ""},
		"no ports":         {v4[:42], ""},
		"options cut":      {strings.Replace(v4, "45", "4f", 1), ""},
		"header too short": {strings.Replace(v4, "45", "44", 1), ""},
		"v6 cut":           {v6[:80], ""},
		"neither":          {"55" + v4[2:], ""},
		"empty":            {"", ""},
	} {
		packet, err := hex.DecodeString(strings.ReplaceAll(tt.packet, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		src, dst, ok := ParseSYN(packet)
		got := ""
		if ok {
			got = src.String() + " " + dst.String()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
