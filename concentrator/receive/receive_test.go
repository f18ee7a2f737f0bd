package receive

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/shared/convert"
)

const connect4 = "0a0501bb" + "00000000000000000000ffffcb00710a"

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// connected returns both ends of a TCP connection over loopback.
func connected(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	_ = client.SetDeadline(time.Now().Add(20 * time.Second)) // the test must end
	return client, server
}

// serve does with one connection what the daemon does, and returns Read's
// error. An accepted request is answered by the bytes behind it.
func serve(c *net.TCPConn, timeout time.Duration, answer bool) error {
	var pool Pool
	r := pool.Get()
	defer pool.Put(r)
	defer c.Close()
	err := r.Read(c, time.Now().Add(timeout))
	if err == nil {
		_, err = c.Write(r.Early())
		return err
	}
	reply, action := r.Refuse(nil, err, answer)
	switch action {
	case convert.Reset:
		_ = c.SetLinger(0)
	case convert.SendError:
		_, _ = c.Write(reply)
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c) // the client closes; its bytes must not turn our FIN into RST
	}
	return err
}

// finish reads what comes back, and how it ends.
func finish(t *testing.T, c *net.TCPConn) (got string, reset bool) {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	return hex.EncodeToString(b), err != nil
}

func TestAccepted(t *testing.T) {
	good := []string{
		"01062263" + connect4,
		"01062263 0a0501bb 20010db8 00000000 00000000 00000080",
		"010b2263" + connect4 + "16050000 00112233 44556677 8899aabb ccddeeff",
		"01082263 0a0701bb 00000000 00000000 0000ffff cb00710a 1e020402 08020000",
		"01022263 01010000",
		"01082263" + connect4 + "c8020102 03040500",
		"01ff2263" + connect4 + "16f90000" + strings.Repeat("5a", 248*4),
	}
	early := strings.Repeat("early data ", 200)
	for _, message := range good {
		for _, chunk := range []int{1, 5, 1 << 20} {
			for _, behind := range []string{"", early} {
				client, server := connected(t)
				done := make(chan error, 1)
				go func() { done <- serve(server, 10*time.Second, true) }()
				out := unhex(message)
				for ; len(out) > chunk; out = out[chunk:] {
					if _, err := client.Write(out[:chunk]); err != nil {
						t.Fatal(err)
					}
				}
				// The last piece brings the user data with it, as a SYN would.
				if _, err := client.Write(append(out, behind...)); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(client); err != nil || string(got) != behind {
					t.Errorf("%s, pieces of %d: %d bytes behind it, %v; want %d", message[:16], chunk, len(got), err, len(behind))
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestTruncated cuts a request after each byte.
func TestTruncated(t *testing.T) {
	whole := unhex("01062263" + connect4)
	for n := range whole {
		client, server := connected(t)
		done := make(chan error, 1)
		go func() { done <- serve(server, 10*time.Second, true) }()
		if _, err := client.Write(whole[:n]); err != nil {
			t.Fatal(err)
		}
		_ = client.CloseWrite()
		if got, reset := finish(t, client); got != "" || reset {
			t.Errorf("%d bytes: got %q, reset %v; want nothing and FIN", n, got, reset)
		}
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if err := <-done; !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
	}
}

// TestNoise sends 10 MB of what is no request. All must be refused after the
// first bytes, with nothing read behind the buffer.
func TestNoise(t *testing.T) {
	noise := make([]byte, 10<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	noise[2] = 0 // not the magic
	for name, start := range map[string]string{
		"random": "", "web": hex.EncodeToString([]byte("GET / HTTP/1.1\r\n")), "tls": "160301",
		"magic, then noise": "01ff2263", "length 0, then noise": "01002263",
	} {
		t.Run(name, func(t *testing.T) {
			client, server := connected(t)
			counted := &counter{TCPConn: server}
			go func() {
				_, _ = client.Write(append(unhex(start), noise...)) // fails when the other side hangs up
			}()
			r := new(Pool).Get()
			err := r.Read(counted, time.Now().Add(10*time.Second))
			var syntax *convert.SyntaxError
			if !errors.As(err, &syntax) {
				t.Errorf("Read: %v", err)
			}
			if counted.read > bufferLen {
				t.Errorf("read %d bytes, at most %d", counted.read, bufferLen)
			}
			_ = server.SetLinger(0)
			server.Close()
		})
	}
	t.Run("behind a request", func(t *testing.T) {
		client, server := connected(t)
		counted := &counter{TCPConn: server}
		go func() { _, _ = client.Write(append(unhex("01062263"+connect4), noise...)) }()
		r := new(Pool).Get()
		if err := r.Read(counted, time.Now().Add(10*time.Second)); err != nil {
			t.Fatal(err)
		}
		early := append([]byte(nil), r.Early()...)
		if len(early) > bufferLen-24 || !bytes.Equal(early, noise[:len(early)]) {
			t.Errorf("%d early bytes, or not those sent", len(early))
		}
		rest := make([]byte, 1<<20)
		if _, err := io.ReadFull(server, rest); err != nil || !bytes.Equal(rest, noise[len(early):len(early)+len(rest)]) {
			t.Errorf("bytes behind the early ones were lost: %v", err)
		}
	})
}

type counter struct {
	*net.TCPConn
	read int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.read += n
	return n, err
}

// TestSlowSender keeps sending too slowly: each byte must not buy more time.
func TestSlowSender(t *testing.T) {
	client, server := connected(t)
	const timeout = 200 * time.Millisecond
	stop := make(chan struct{})
	sender := make(chan struct{})
	go func() {
		defer close(sender)
		pace := time.NewTicker(timeout / 10)
		defer pace.Stop()
		for _, b := range unhex("01ff2263" + connect4) {
			select {
			case <-pace.C:
			case <-stop:
				return
			}
			if _, err := client.Write([]byte{b}); err != nil {
				return
			}
		}
	}()
	began := time.Now()
	err := serve(server, timeout, true)
	took := time.Since(began)
	close(stop)
	<-sender
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	if took < timeout || took > timeout+2*time.Second {
		t.Errorf("took %s, deadline %s", took, timeout)
	}
	if got, _ := finish(t, client); got != "" {
		t.Errorf("answered %q", got)
	}
}

func TestSlowButInTime(t *testing.T) {
	client, server := connected(t)
	done := make(chan error, 1)
	go func() { done <- serve(server, 10*time.Second, true) }()
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for _, b := range unhex("01062263" + connect4) {
		<-pace.C
		if _, err := client.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestReadClearsDeadline: the connection lives on behind the request.
func TestReadClearsDeadline(t *testing.T) {
	client, server := connected(t)
	if _, err := client.Write(unhex("01062263" + connect4)); err != nil {
		t.Fatal(err)
	}
	r := new(Pool).Get()
	deadline := time.Now().Add(100 * time.Millisecond)
	if err := r.Read(server, deadline); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() { _, err := server.Read(make([]byte, 1)); read <- err }()
	<-time.After(time.Until(deadline) + 10*time.Millisecond) // the deadline passes
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
}

// TestPooledRequestForgets: nothing of one connection shows in the next.
func TestPooledRequestForgets(t *testing.T) {
	r := new(Request)
	for _, tt := range []struct {
		send          string
		cookie, early int
		ok            bool
	}{
		{"010b2263" + connect4 + "16050000 00112233 44556677 8899aabb ccddeeff" + "aabbcc", 16, 3, true},
		{"01062263" + connect4, -1, 0, true},
		{"01", -1, 0, false},
		{"", -1, 0, false},
	} {
		client, server := connected(t)
		if _, err := client.Write(unhex(tt.send)); err != nil {
			t.Fatal(err)
		}
		_ = client.CloseWrite()
		err := r.Read(server, time.Now().Add(10*time.Second))
		cookie := -1
		if r.Cookie() != nil {
			cookie = len(r.Cookie())
		}
		if (err == nil) != tt.ok || cookie != tt.cookie || tt.ok && len(r.Early()) != tt.early || r.Message.HasConnect != tt.ok {
			t.Errorf("%q: %v, cookie of %d, %d early bytes, connect %v", tt.send, err, cookie, len(r.Early()), r.Message.HasConnect)
		}
	}
}

func TestRefuse(t *testing.T) {
	r := new(Request)
	for _, tt := range []struct {
		err  error
		want convert.Action
	}{
		{io.EOF, convert.Close}, {io.ErrUnexpectedEOF, convert.Close}, {os.ErrDeadlineExceeded, convert.Close},
		{syscall.ECONNRESET, convert.Reset}, {io.ErrNoProgress, convert.Reset},
	} {
		if b, got := r.Refuse(nil, tt.err, true); got != tt.want || len(b) != 0 {
			t.Errorf("%v: got %v and %x, want %v", tt.err, got, b, tt.want)
		}
	}
}

// TestNothingIsLeft: 500 bad connections leave no goroutine and no descriptor.
func TestNothingIsLeft(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)
	for i := range 500 {
		client, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = client.Write(unhex(rejects[i%len(rejects)].message))
		_ = client.CloseWrite()
		if err := serve(server, 10*time.Second, true); err == nil {
			t.Error("accepted")
		}
		client.Close()
	}
	if g, d := runtime.NumGoroutine(), countDescriptors(t); g > goroutines || d > descriptors {
		t.Errorf("%d goroutines, %d descriptors; before %d, %d", g, d, goroutines, descriptors)
	}
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func BenchmarkRead(b *testing.B) {
	message := unhex("01062263" + connect4 + "474554202f")
	c := &memory{data: message}
	var pool Pool
	b.ReportAllocs()
	for b.Loop() {
		r := pool.Get()
		c.at = 0
		if err := r.Read(c, time.Time{}); err != nil {
			b.Fatal(err)
		}
		pool.Put(r)
	}
}

// memory is a connection that has arrived already.
type memory struct {
	net.Conn
	data []byte
	at   int
}

func (m *memory) SetReadDeadline(time.Time) error { return nil }
func (m *memory) Read(b []byte) (int, error) {
	n := copy(b, m.data[m.at:])
	m.at += n
	return n, nil
}
