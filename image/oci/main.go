// Command oci packs the concentrator as an OCI container image, without a
// container engine:
//
//	oci [-arch amd64] PROGRAM CONFIG OUT.tar
//
// The result is one tar archive with an OCI image layout (image-spec 1.0), for
// "podman load", "docker load" (25 or newer), "skopeo copy oci-archive:".
// Equal input gives an equal file: all times are SOURCE_DATE_EPOCH, or 1970.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	arch := flag.String("arch", "amd64", "processor that PROGRAM is for, in Go's words")
	version := flag.String("version", "latest", "tag of the image")
	flag.Parse()
	if flag.NArg() != 3 {
		fmt.Fprintln(os.Stderr, "usage: oci [-arch ARCH] [-version TAG] PROGRAM CONFIG OUT.tar")
		os.Exit(2)
	}
	if err := pack(*arch, *version, flag.Arg(0), flag.Arg(1), flag.Arg(2)); err != nil {
		fmt.Fprintln(os.Stderr, "oci:", err)
		os.Exit(1)
	}
}

func pack(arch, version, program, config, out string) error {
	when, err := epoch(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	var files []file
	for path, from := range map[string]string{programPath: program, configPath: config} {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		files = append(files, file{path: path, content: text})
	}
	files[index(files, programPath)].mode = 0o755
	files[index(files, configPath)].mode = 0o644
	layer, err := newLayer(append(files, folders...), when)
	if err != nil {
		return err
	}
	f, err := os.Create(out + ".new")
	if err != nil {
		return err
	}
	defer os.Remove(out + ".new")
	if err := writeLayout(f, arch, version, layer, when); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(out+".new", out)
}

func epoch(text string) (time.Time, error) {
	if text == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0).UTC(), err
}
