package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"path"
	"sort"
	"strings"
	"time"
)

// entry is one file or, with a mode that says so, one folder of a package.
type entry struct {
	path string // absolute, on the router
	mode int64
	data []byte
	dir  bool
}

// tarball packs entries, and the folders above them, as GNU tar with
// --numeric-owner --sort=name would, and compresses them. All belong to root
// and have one date, so the same entries always give the same bytes.
func tarball(entries []entry, date time.Time) (packed []byte, size int64, err error) {
	var plain bytes.Buffer
	t := tar.NewWriter(&plain)
	for _, e := range withFolders(entries) {
		h := &tar.Header{
			Name: "." + e.path, Mode: e.mode, Size: int64(len(e.data)), ModTime: date,
			Typeflag: tar.TypeReg, Format: tar.FormatGNU,
		}
		if e.dir {
			h.Typeflag, h.Name = tar.TypeDir, strings.TrimSuffix(h.Name, "/")+"/"
		}
		if err := t.WriteHeader(h); err != nil {
			return nil, 0, err
		}
		if _, err := t.Write(e.data); err != nil {
			return nil, 0, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, 0, err
	}
	packed, err = zip(plain.Bytes())
	return packed, int64(plain.Len()), err
}

// zip is gzip -9n.
func zip(plain []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(plain); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// withFolders adds the folders that entries are in and sorts all by path.
func withFolders(entries []entry) []entry {
	all := map[string]entry{"/": {path: "/", mode: 0o755, dir: true}}
	for _, e := range entries {
		for d := path.Dir(e.path); d != "/"; d = path.Dir(d) {
			if _, ok := all[d]; !ok {
				all[d] = entry{path: d, mode: 0o755, dir: true}
			}
		}
	}
	for _, e := range entries {
		all[e.path] = e
	}
	sorted := make([]entry, 0, len(all))
	for _, e := range all {
		sorted = append(sorted, e)
	}
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].path < sorted[j].path })
	return sorted
}
