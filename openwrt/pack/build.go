package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// small leaves inlining to where bytes and packets go by. Elsewhere, in reading
// options and writing reports, it only makes a router's program larger: by
// 5 percent, 8 when compressed. Of the runtime's own packages the atomic
// operations are called then: they are a fiftieth of it, in a thousand places.
var small = []string{
	"-gcflags=all=-l", "-gcflags=runtime=",
	"-gcflags=tandem/shared/relay=", "-gcflags=tandem/shared/sha256=",
	// Those that are smaller with it, by a kilobyte or less each: of small
	// functions with one caller.
	"-gcflags=tandem/cpe=", "-gcflags=tandem/cpe/intercept=", "-gcflags=tandem/cpe/policy=",
	"-gcflags=tandem/cpe/uplink=", "-gcflags=tandem/cpe/upstream=",
	"-gcflags=tandem/shared/control=", "-gcflags=tandem/shared/flight=", "-gcflags=tandem/shared/mptcp=",
	"-gcflags=bytes=", "-gcflags=context=", "-gcflags=encoding/base64=", "-gcflags=internal/bisect=",
	"-gcflags=internal/filepathlite=", "-gcflags=internal/fmtsort=", "-gcflags=internal/strconv=",
	"-gcflags=internal/testlog=", "-gcflags=io/fs=", "-gcflags=math=", "-gcflags=os/signal=", "-gcflags=sort=",
}

// olderGC names the garbage collector of Go 1.25, which is 28 kB smaller than
// that of 1.26 and as good for heaps of a few megabytes: that of 1.26 took 1.06
// times the processor time and 1.03 times the peak memory for 2,000 short flows
// (amd64 in the lab, 2026-11-24; medians of 4 interleaved rounds, 0.99 to 1.07
// and 0.99 to 1.05; for 60 MB in one flow 0.74 to 1.27, which is noise). A Go
// that has only one of the two does not know the name.
const olderGC = "GOEXPERIMENT=nogreenteagc"

func knowsOlderGC() bool {
	cmd := exec.Command("go", "list", "unsafe")
	cmd.Env = append(os.Environ(), olderGC)
	return cmd.Run() == nil
}

// build makes the daemon for each of the targets and returns the paths.
func build(dir, version string, targets []target) (map[target]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	paths := map[target]string{}
	failed := make(chan error)
	slots := make(chan struct{}, runtime.NumCPU())
	for _, t := range targets {
		path := filepath.Join(dir, "tandem-cpe-"+t.String())
		paths[t] = path
		go func() {
			slots <- struct{}{}
			err := t.build(path, version)
			<-slots
			failed <- err
		}()
	}
	var errs []error
	for range paths {
		errs = append(errs, <-failed)
	}
	return paths, errors.Join(errs...)
}

// build makes a static, stripped daemon, the same bytes for the same source.
func (t target) build(path, version string) error {
	ldflags := "-s -w -buildid= -X main.version=" + version
	if t.Page != "" {
		ldflags += " -R " + t.Page
	}
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", path}, small...)
	cmd := exec.Command("go", append(args, "tandem/cpe")...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+t.GOARCH, "CGO_ENABLED=0", "GOFLAGS=")
	if knowsOlderGC() {
		cmd.Env = append(cmd.Env, olderGC)
	}
	if t.Env != "" {
		cmd.Env = append(cmd.Env, t.Env)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for %s: %w\n%s", t, err, out)
	}
	return nil
}
