package e2e

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/shared/convert"
	"tandem/shared/credential"
)

// noFront switches off what turns bad sources away unread: what lies behind it
// must hold by itself.
const noFront = "[limits]\nfailures_per_minute = 0\nrequest_timeout = \"3s\"\n"

// TestWrongCredential asks for a relay in every way but the right one, from a
// host that is no client's: each is refused, gets no byte, and the destination
// never hears of it.
func TestWrongCredential(t *testing.T) {
	t.Parallel()
	o := fast()
	o.Tables = noFront
	h := build(t, o)
	ctx := within(t, 4*time.Minute)
	client := addClient(t, h, "house2")
	d := newDestination(t, h, 9000)
	mustReach(t, h, client, d)
	legit := 1

	right := request(t, client, d.addr) // never sent as it is
	id, key := credential.NewKey()
	unknown := &credential.Signer{Identity: credential.NewIdentity(id, key)}
	wrongKey := &credential.Signer{Identity: credential.NewIdentity(credential.KeyID(right[28:36]), key)}
	none, err := convert.AppendConnect(nil, d.addr)
	if err != nil {
		t.Fatal(err)
	}
	type attack struct {
		name    string
		message []byte
	}
	attacks := []attack{
		{"none", none},
		{"none, with early data", append(bytes.Clone(none), "hello"...)},
		{"unknown key", request(t, unknown, d.addr)},
		{"wrong key under a right id", request(t, wrongKey, d.addr)},
		{"for another destination", swapped(right, request(t, client, netip.AddrPortFrom(netip.MustParseAddr(house.Server4), 9001)))},
		{"credential alone", append([]byte{1, 12, 0x22, 0x63}, right[24:]...)},
		{"nothing", nil},
		{"zeros", make([]byte, 1024)},
		{"http", []byte("GET / HTTP/1.1\r\n\r\n")},
	}
	for bit := range len(right) * 8 {
		b := bytes.Clone(right)
		b[bit/8] ^= 1 << (bit % 8)
		attacks = append(attacks, attack{fmt.Sprintf("bit %d flipped", bit), append(b, "hello"...)})
	}
	for n := range right {
		attacks = append(attacks, attack{fmt.Sprintf("cut after %d bytes", n), right[:n]})
	}
	ways := []dialer{dialTCP, dialMPTCP(false), dialMPTCP(true)}
	each(len(attacks), 32, func(i int) {
		for w, way := range ways {
			// Every attack over TCP, and one in four in the other ways too.
			if w > 0 && i > 8 && i%4 != w {
				continue
			}
			got, err := converse(ctx, way, h.Host("net"), attacks[i].message)
			if err != nil || len(got) > 0 {
				t.Errorf("%s (%d): got %x, %v; want nothing", attacks[i].name, w, got, err)
			}
		}
	})
	if n := d.syns(t); n != legit {
		t.Errorf("the destination saw %d SYNs, want %d", n, legit)
	}

	// Who has the key and a wrong clock is told the time, and not relayed.
	for name, off := range map[string]time.Duration{"too old": -121 * time.Second, "too early": 11 * time.Second,
		"ten years old": -87600 * time.Hour, "ten years early": 87600 * time.Hour} {
		late := &credential.Signer{Identity: client.Identity, Now: func() time.Time { return time.Now().Add(off) }}
		got, err := converse(ctx, dialTCP, h.Host("net"), request(t, late, d.addr))
		if err != nil {
			t.Fatal(err)
		}
		if m := parsed(t, got); !m.HasError || m.Error.Code != credential.WrongTime {
			t.Errorf("%s: got %x, want Error 192", name, got)
		}
	}
	if n := d.syns(t); n != legit {
		t.Errorf("the destination saw %d SYNs, want %d", n, legit)
	}
	// After all that it still works.
	mustReach(t, h, client, d)
	if got := d.accepted.Load(); got != int64(legit)+1 {
		t.Errorf("the destination was contacted %d times, want %d", got, legit+1)
	}
	t.Logf("%d attacks, up to 3 ways each", len(attacks))
	for _, secret := range []string{hex.EncodeToString(key.Reveal(nil))} {
		if h.Concentrator.Log.Count(secret) > 0 {
			t.Error("a key is in the log")
		}
	}
}

// swapped is request b with the credential of a.
func swapped(a, b []byte) []byte { return append(bytes.Clone(b[:24]), a[24:]...) }
