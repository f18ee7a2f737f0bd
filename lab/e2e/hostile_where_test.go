package e2e

import (
	"net/netip"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/convert"
)

// forbidden is where no client may go unless it is allowed to: 56 places, of
// the concentrator's own host (in the lab), of its network, of its provider.
var forbidden = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.100.100.200", "100.127.255.254",
	"127.0.0.1", "127.0.0.53", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2",
	"172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.192", "192.168.0.1", "192.168.1.1", "192.168.255.254",
	"198.18.0.1", "198.19.255.254", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.254", "255.255.255.255",
	"203.0.113.1", "198.51.100.1", "198.51.100.129", // its own
	"::", "::1", "::2", "1::1", "64:ff9b:1::a00:1", "100::1", "2001:db8:f::1", "2001:db8:d::1", "2001:db8:e::1",
	"4000::1", "5f00::1", "8000::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "fd00:42::42",
	"fe80::1", "fe80::a9fe:a9fe", "fec0::1", "ff01::1", "ff02::1", "ff05::2", "ff0e::1", "ffff::1",
}

// spellings returns the addresses that end up at a: itself, and where it is an
// IPv4 one, those in which a tunnel or translator would find it.
func spellings(a netip.Addr) []netip.Addr {
	list := []netip.Addr{a}
	if !a.Is4() {
		return list
	}
	v4 := a.As4()
	with := func(prefix string, at int, more ...byte) {
		b := netip.MustParseAddr(prefix).As16()
		copy(b[at:], v4[:])
		copy(b[len(b)-len(more):], more)
		list = append(list, netip.AddrFrom16(b))
	}
	with("::", 12)           // IPv4-compatible
	with("::ffff:0:0:0", 12) // IPv4-translated
	with("64:ff9b::", 12)    // NAT64
	with("64:ff9b:1::", 12)  // NAT64 for local use
	with("2002::", 2)        // 6to4
	with("2002::", 2, 0, 1)
	with("2001:0::", 4, 0x34, 0xff, 0x8e, 0xf4)                   // Teredo, as its server
	with("2001:0:cb00:710a::", 4, ^v4[0], ^v4[1], ^v4[2], ^v4[3]) // and as both
	b := netip.MustParseAddr("2001:0:cb00:710a::").As16()         // and as its client
	for i, x := range v4 {
		b[12+i] = ^x
	}
	return append(list, netip.AddrFrom16(b))
}

// TestForbiddenDestinations lets a client with a right credential ask for
// places where it may not go, in every spelling: each is refused, with an
// answer that proves itself, and not one packet leaves the concentrator.
func TestForbiddenDestinations(t *testing.T) {
	t.Parallel()
	h := build(t, fast())
	ctx := within(t, 2*time.Minute)
	client := addClient(t, h, "house2")
	d := newDestination(t, h, 9000)
	mustReach(t, h, client, d)

	// Whatever the daemon sends to begin a connection is counted, wherever to;
	// loopback too.
	core := h.Host("core")
	run(t, ctx, core, "nft", `table inet tandem-leave {
	counter syns {}
	chain out { type filter hook output priority 0; tcp flags & (syn|ack) == syn counter name syns; }
}`)
	mustReach(t, h, client, d)
	if n := packets(t, core, "tandem-leave", "syns"); n != 1 {
		t.Fatalf("the counter has %d after one connection", n)
	}

	type place struct {
		addr netip.Addr
		port uint16
	}
	var places []place
	for _, s := range forbidden {
		for _, a := range spellings(netip.MustParseAddr(s)) {
			places = append(places, place{a, 443})
		}
	}
	for _, a := range spellings(netip.MustParseAddr(house.Server4)) {
		places = append(places, place{a, 25}) // a host where it may go, but not to send mail
	}
	each(len(places), 32, func(i int) {
		to := netip.AddrPortFrom(places[i].addr, places[i].port)
		msg, err := convert.AppendConnect(nil, to)
		if err != nil {
			t.Errorf("%s: %v", to, err)
			return
		}
		msg, nonce, err := client.Append(msg)
		if err != nil {
			t.Errorf("%s: %v", to, err)
			return
		}
		got, err := converse(ctx, dialTCP, h.Host("net"), msg)
		if err != nil {
			t.Errorf("%s: %v", to, err)
			return
		}
		var m convert.Message
		if _, err := m.Parse(got, convert.FromConverter); err != nil || !m.HasError ||
			m.Error.Code != convert.NotAuthorized && m.Error.Code != convert.MalformedMessage {
			t.Errorf("%s is answered with %x", to, got)
			return
		}
		if answer := client.Check(got, &m, nonce); answer.String() != "proven" {
			t.Errorf("%s: the refusal is %s", to, answer)
		}
	})
	if n := packets(t, core, "tandem-leave", "syns"); n != 1 {
		t.Errorf("%d connections were begun", n-1)
	}
	t.Logf("%d places, %d spellings", len(forbidden)+1, len(places))
}
