package relay

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/mptcp"
)

// BenchmarkBeside is the round trip of a byte through the relay beside eight
// streams that together run at 150 Mbit/s, with naps and in a relay that never
// waits, in turns. It also reports what processor time the whole process took
// in each, the ends of the streams included.
func BenchmarkBeside(b *testing.B) {
	engines := map[string]*Engine{"naps": NewEngine(), "wakeful": NewEngine()}
	engines["wakeful"].wakeful = true
	times := map[string][]time.Duration{}
	cpu := map[string]time.Duration{}
	for range 6 {
		for name, e := range engines {
			before := processTime()
			times[name] = append(times[name], besideStreams(b, e, 500*time.Millisecond)...)
			cpu[name] += processTime() - before
		}
	}
	for name, t := range times {
		engines[name].Close()
		slices.Sort(t)
		for p, of := range map[string]int{"p50": 500, "p99": 990, "p99.9": 999} {
			b.ReportMetric(float64(t[len(t)*of/1000].Microseconds())/1e3, name+"-"+p+"-ms")
		}
		b.ReportMetric(cpu[name].Seconds()/3, name+"-cpu")
	}
	b.ReportMetric(0, "ns/op")
}

func processTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}

func besideStreams(b *testing.B, e *Engine, d time.Duration) (times []time.Duration) {
	var ends []*net.TCPConn
	open := func() (client, server *net.TCPConn) {
		client, in := benchPair(b, false)
		out, server := benchPair(b, true)
		if _, err := start(e, in, out, Options{}); err != nil {
			b.Fatal(err)
		}
		ends = append(ends, client, server)
		return client, server
	}
	end := time.Now().Add(d)
	for range 8 {
		client, server := open()
		go io.Copy(io.Discard, client)
		go func() {
			const rate = 150e6 / 8 / 8
			packet := make([]byte, 1400)
			begin, sent := time.Now(), 0
			for time.Now().Before(end) {
				for float64(sent) < time.Since(begin).Seconds()*rate {
					if _, err := server.Write(packet); err != nil {
						return
					}
					sent += len(packet)
				}
				time.Sleep(100 * time.Microsecond)
			}
		}()
	}
	client, server := open()
	go io.Copy(server, server)
	for buf := []byte{1}; time.Now().Before(end); time.Sleep(time.Millisecond) {
		begin := time.Now()
		if _, err := client.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, buf); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	for _, c := range ends {
		_ = mptcp.Reset(c)
	}
	_ = e.Drain(context.Background())
	return times
}

func benchPair(b *testing.B, overMPTCP bool) (dialled, accepted *net.TCPConn) {
	dialled, accepted, err := connect(overMPTCP)
	if err != nil {
		b.Fatal(err)
	}
	return dialled, accepted
}
