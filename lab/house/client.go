package house

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"tandem/lab/servers"
)

// DialFrom connects from the LAN host with the given source address ("" for
// the one that Tandem serves) to a literal address of a server.
func (h *House) DialFrom(ctx context.Context, source, addr string, port int) (*net.TCPConn, error) {
	d := net.Dialer{KeepAlive: -1}
	d.SetMultipathTCP(false)
	if source != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	var c net.Conn
	err := h.Host("lan").Do(func() (err error) {
		c, err = d.DialContext(ctx, "tcp", net.JoinHostPort(addr, fmt.Sprint(port)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// Client returns an HTTP client on the LAN host; every request has a
// connection of its own.
func (h *House) Client(source string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		WriteBufferSize:   64 << 10, ReadBufferSize: 64 << 10,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			var p int
			fmt.Sscan(port, &p)
			return h.DialFrom(ctx, source, host, p)
		},
	}}
}

func url(addr, path string) string {
	if strings.Contains(addr, ":") {
		addr = "[" + addr + "]"
	}
	return "http://" + addr + path
}

// Download gets n bytes and returns an error unless each is right.
func (h *House) Download(ctx context.Context, source, addr string, n int64) error {
	req, err := http.NewRequestWithContext(ctx, "GET", url(addr, fmt.Sprintf("/bytes/%d", n)), nil)
	if err != nil {
		return err
	}
	resp, err := h.Client(source).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	sum := sha256.New()
	got, err := io.Copy(sum, resp.Body)
	if err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", got, n, err)
	}
	if want := servers.Sum(n); hex.EncodeToString(sum.Sum(nil)) != want {
		return fmt.Errorf("downloaded %d bytes, SHA-256 %x, want %s", got, sum.Sum(nil), want)
	}
	return nil
}

// Upload puts n bytes and returns an error unless the server got each right.
func (h *House) Upload(ctx context.Context, source, addr string, n int64) error {
	req, err := http.NewRequestWithContext(ctx, "PUT", url(addr, "/sum"), io.LimitReader(servers.NewStream(), n))
	if err != nil {
		return err
	}
	req.ContentLength = n
	resp, err := h.Client(source).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if want := servers.Sum(n); strings.TrimSpace(string(got)) != want {
		return fmt.Errorf("server got SHA-256 %s, want %s", got, want)
	}
	return nil
}

// DownRate downloads for d and returns the goodput in bit/s. Bytes count from
// the first one on; rate, if not nil, is told the running total.
func (h *House) DownRate(ctx context.Context, source string, d time.Duration, progress func(bytes int64)) (float64, error) {
	c, err := h.DialFrom(ctx, source, Server4, HTTPPort)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET /for/%s HTTP/1.1\r\nHost: lab\r\n\r\n", d+5*time.Second); err != nil {
		return 0, err
	}
	return sink(c, d, progress)
}

// UpRate uploads for d and returns the goodput in bit/s as the server sees it:
// bytes that reached it, over the time from first to last.
func (h *House) UpRate(ctx context.Context, source string, d time.Duration, progress func(bytes int64)) (float64, error) {
	type result struct {
		rate float64
		err  error
	}
	done := make(chan result, 1)
	l, err := h.Host("net").Listen("tcp", net.JoinHostPort(Server4, "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- result{err: err}
			return
		}
		defer c.Close()
		rate, err := sink(c, d, progress)
		done <- result{rate, err}
	}()
	c, err := h.DialFrom(ctx, source, Server4, l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(d + 10*time.Second))
	go func() {
		buf := make([]byte, 256<<10)
		for {
			if _, err := c.Write(buf); err != nil {
				return // the server has seen enough, or the deadline came
			}
		}
	}()
	select {
	case r := <-done:
		return r.rate, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(d + 20*time.Second):
		return 0, fmt.Errorf("upload of %s does not end", d)
	}
}

// sink reads for d from the first byte on and returns bit/s.
func sink(c net.Conn, d time.Duration, progress func(int64)) (float64, error) {
	buf := make([]byte, 256<<10)
	if _, err := c.Read(buf); err != nil {
		return 0, err
	}
	begin := time.Now()
	_ = c.SetReadDeadline(begin.Add(d))
	var total int64
	for {
		n, err := c.Read(buf)
		total += int64(n)
		if progress != nil {
			progress(total)
		}
		if e, ok := err.(net.Error); ok && e.Timeout() {
			return float64(total) * 8 / time.Since(begin).Seconds(), nil
		}
		if err != nil {
			return 0, fmt.Errorf("after %d bytes: %w", total, err)
		}
	}
}

// FirstByte returns the time from the LAN host's SYN to the first byte of the
// server's answer to an HTTP request.
func (h *House) FirstByte(ctx context.Context, source, addr string) (time.Duration, error) {
	begin := time.Now()
	c, err := h.DialFrom(ctx, source, addr, HTTPPort)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"); err != nil {
		return 0, err
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	_, err = io.Copy(io.Discard, c)
	return took, err
}
