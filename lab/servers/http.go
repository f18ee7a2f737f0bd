// Package servers is what stands behind the Internet of the lab: servers of
// the kinds that home users meet, on listeners that the caller made.
package servers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// HTTP serves until l is closed:
//
//	GET  /            "hello\n"
//	GET  /bytes/N     N bytes of Stream
//	GET  /for/D       Stream for the duration D (such as 8s), as fast as it goes
//	PUT  /sum         answers with the SHA-256 of the body, in hex
//	GET  /from        the client's address as the server sees it
func HTTP(l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })
	mux.HandleFunc("GET /from", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.RemoteAddr) })
	mux.HandleFunc("GET /bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
		if err != nil || n < 0 {
			http.Error(w, "want a number of bytes", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		io.Copy(w, io.LimitReader(NewStream(), n))
	})
	mux.HandleFunc("GET /for/{d}", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.PathValue("d"))
		if err != nil {
			http.Error(w, "want a duration", http.StatusBadRequest)
			return
		}
		buf := make([]byte, 64<<10)
		for end := time.Now().Add(d); time.Now().Before(end); {
			if _, err := w.Write(buf); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("PUT /sum", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if _, err := io.Copy(h, r.Body); err != nil {
			return // the client went away
		}
		fmt.Fprintln(w, hex.EncodeToString(h.Sum(nil)))
	})
	err := (&http.Server{Handler: mux}).Serve(l)
	return closed(err)
}
