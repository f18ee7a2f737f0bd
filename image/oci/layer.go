package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

const (
	programPath = "usr/bin/tandem-concentrator"
	configPath  = "etc/tandem-concentrator/tandem-concentrator.toml"
	statePath   = "var/lib/tandem-concentrator"
	runPath     = "run/tandem-concentrator"

	// user is who the daemon runs as: no system's own, and the Convert port's
	// number twice over, easy to remember for "chown".
	user = 5124
)

// file is a file or, without content and with a name that ends in /, a folder.
type file struct {
	path    string
	content []byte
	mode    int64
	owner   int
}

// folders belong to whom the daemon runs as.
var folders = []file{
	{path: statePath + "/", mode: 0o700, owner: user},
	{path: runPath + "/", mode: 0o755, owner: user},
	{path: "tmp/", mode: 0o1777},
	// Names for the two users there are; the C library is not there to ask.
	{path: "etc/passwd", mode: 0o644, content: []byte("root:x:0:0::/:/\ntandem-concentrator:x:5124:5124::/var/lib/tandem-concentrator:/\n")},
	{path: "etc/group", mode: 0o644, content: []byte("root:x:0:\ntandem-concentrator:x:5124:\n")},
}

func index(files []file, path string) int {
	return slices.IndexFunc(files, func(f file) bool { return f.path == path })
}

// layer is a compressed archive, and the digest of what it unpacks to, by
// which an image's configuration names it.
type layer struct {
	packed []byte
	diffID string
}

// newLayer packs files, and the folders they are in, in order of their names.
func newLayer(files []file, when time.Time) (layer, error) {
	all := slices.Clone(files)
	have := map[string]bool{}
	for _, f := range files {
		have[f.path] = true
	}
	for _, f := range files {
		for at := 0; ; {
			i := strings.IndexByte(f.path[at:], '/')
			if i < 0 {
				break
			}
			at += i + 1
			if parent := f.path[:at]; !have[parent] {
				have[parent] = true
				all = append(all, file{path: parent, mode: 0o755})
			}
		}
	}
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.path, b.path) })
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, f := range all {
		h := &tar.Header{Name: f.path, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.content)), ModTime: when, Format: tar.FormatPAX}
		if h.Typeflag = tar.TypeReg; strings.HasSuffix(f.path, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return layer{}, err
		}
		if _, err := w.Write(f.content); err != nil {
			return layer{}, err
		}
	}
	if err := w.Close(); err != nil {
		return layer{}, err
	}
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return layer{}, err
	}
	if _, err := z.Write(plain.Bytes()); err != nil {
		return layer{}, err
	}
	if err := z.Close(); err != nil {
		return layer{}, err
	}
	return layer{packed.Bytes(), digest(plain.Bytes())}, nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
