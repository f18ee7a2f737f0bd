package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
)

// maxUserData bounds what is read; clouds allow 16 to 256 KiB.
const maxUserData = 1 << 20

// userData reads user data in any of cloud-init's shapes: "#cloud-config", a
// MIME archive of parts, either of them packed by gzip; and the concentrator's
// own TOML after a line "#tandem-concentrator".
func userData(source string, raw []byte) wish {
	w := wish{source: source}
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err == nil {
			raw, err = io.ReadAll(io.LimitReader(z, maxUserData))
		}
		if err != nil {
			w.complain(fmt.Sprintf("gzip: %v", err))
			return w
		}
	}
	text := string(raw)
	first, _, _ := strings.Cut(text, "\n")
	switch first = strings.TrimSpace(first); {
	case strings.TrimSpace(text) == "":
	case first == "#cloud-config":
		cloudConfig(&w, text)
	case first == "#tandem-concentrator":
		w.config = text
	case strings.HasPrefix(strings.ToLower(text), "content-type: multipart"), strings.HasPrefix(strings.ToLower(text), "mime-version:"):
		archive(&w, text)
	case strings.HasPrefix(text, "#!"):
		w.complain("scripts are not run by this image")
	default:
		w.complain(fmt.Sprintf("starts with %q; this image reads #cloud-config, #tandem-concentrator and MIME archives of these", clip(first)))
	}
	return w
}

// archive reads the parts of a MIME archive; earlier ones win.
func archive(w *wish, text string) {
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		w.complain(fmt.Sprintf("MIME archive: %v", err))
		return
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		w.complain(fmt.Sprintf("MIME archive: %v", err))
		return
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := r.NextPart()
		if err == io.EOF {
			return
		}
		if err != nil {
			w.complain(fmt.Sprintf("MIME archive: %v", err))
			return
		}
		body, err := io.ReadAll(io.LimitReader(part, maxUserData))
		if err != nil {
			w.complain(fmt.Sprintf("MIME archive: %v", err))
			return
		}
		w.fill(userData(w.source, body))
	}
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
