package smalljson

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"
)

type texts struct {
	Time   time.Time
	Later  *time.Time
	Addr   netip.Addr
	Port   netip.AddrPort
	Prefix *netip.Prefix
}

// What encoding/json reads from text is read alike, and nothing else.
func TestText(t *testing.T) {
	for _, text := range []string{
		`{"Time":"2026-11-24T01:02:03Z","Later":"2026-11-24T01:02:03.000004Z"}`,
		`{"Time":"2024-02-29T23:59:59.123456789+05:30"}`, `{"Time":"0001-01-01T00:00:00Z"}`, `{"Time":"9999-12-31T23:59:59.9-23:59"}`,
		`{"Time":"2026-11-24T01:02:03.1234567890123Z"}`,
		`{"Time":""}`, `{"Time":"2026-02-29T00:00:00Z"}`, `{"Time":"2026-13-01T00:00:00Z"}`, `{"Time":"2026-00-01T00:00:00Z"}`, `{"Time":"2026-01-00T00:00:00Z"}`,
		`{"Time":"2026-11-24T24:00:00Z"}`, `{"Time":"2026-11-24T23:60:00Z"}`, `{"Time":"2026-11-24T23:59:60Z"}`,
		`{"Time":"2026-11-24T01:02:03"}`, `{"Time":"2026-11-24T01:02:03."}`, `{"Time":"2026-11-24T01:02:03.Z"}`, `{"Time":"2026-11-24 01:02:03Z"}`,
		`{"Time":"2026-11-24T01:02:03z"}`, `{"Time":"+026-11-24T01:02:03Z"}`,
		`{"Time":"2026-11-24T01:02:03+0100"}`, `{"Time":"2026-11-24T01:02:03ZZ"}`,
		`{"Addr":"192.0.2.1","Port":"[2001:db8::1]:443","Prefix":"192.0.2.0/24"}`, `{"Addr":"","Port":"","Prefix":""}`, `{"Addr":"fe80::1%eth0","Prefix":null}`,
		`{"Addr":"192.0.2"}`, `{"Port":"192.0.2.1"}`, `{"Prefix":"192.0.2.0/33"}`,
	} {
		was := texts{Addr: netip.IPv6Unspecified(), Port: netip.AddrPortFrom(netip.IPv6Unspecified(), 1)}
		ours, theirs := was, was
		err, want := Unmarshal([]byte(text), &ours), json.Unmarshal([]byte(text), &theirs)
		if (err == nil) != (want == nil) {
			t.Errorf("%s: %v, encoding/json: %v", text, err, want)
			continue
		}
		if err != nil {
			continue
		}
		got, _ := Marshal(ours)
		if want, _ := Marshal(theirs); string(got) != string(want) || !ours.Time.Equal(theirs.Time) {
			t.Errorf("%s: %s, encoding/json: %s", text, got, want)
		}
	}
}

// Here package time is milder than RFC 3339.
func TestTimeStrict(t *testing.T) {
	for _, s := range []string{
		"2026-11-24T1:02:03Z", "2026-11-24T01:02:03,5Z", "2026-11-24T01:02:03+24:00", "2026-11-24T01:02:03+01:60",
	} {
		if got, err := parseTime(s); err == nil {
			t.Errorf("%s: %s", s, got)
		}
	}
}
