package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tandem/lab/house"
	"tandem/lab/servers"
)

// http2Page loads 400 objects over 40 connections of HTTP/2 with TLS.
func http2Page(t *testing.T, h *house.House) {
	const connections, requests, size = 40, 400, 20_000
	l, err := h.Listen(house.Server4, 443)
	if err != nil {
		t.Fatal(err)
	}
	var served, connected atomic.Int64
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor == 2 {
				served.Add(1)
			}
			w.Header().Set("Content-Length", fmt.Sprint(size))
			io.CopyN(w, servers.NewStream(), size)
		}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connected.Add(1)
			}
		},
	}
	go server.ServeTLS(l, "", "")
	defer server.Close()
	out := run(t, within(t, time.Minute), h.Host("lan"), "h2load",
		"-n", fmt.Sprint(requests), "-c", fmt.Sprint(connections), "https://"+house.Server4+"/")
	for _, want := range []string{
		"Application protocol: h2\n",
		fmt.Sprintf("%d succeeded, 0 failed, 0 errored, 0 timeout", requests),
		fmt.Sprintf("(%d) data\n", requests*size),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("h2load does not say %q:\n%s", want, out)
		}
	}
	if served.Load() != requests || connected.Load() != connections {
		t.Errorf("served %d requests by HTTP/2 on %d connections, want %d and %d", served.Load(), connected.Load(), requests, connections)
	}
}

// selfSigned returns a certificate for the servers' host.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.ParseIP(house.Server4)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
