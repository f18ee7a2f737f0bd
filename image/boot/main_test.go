// Package boot starts the built image in QEMU and uses it as a household
// would: pairs a CPE in the lab with the line that the console shows, and
// sends traffic through it. See "make test-image" and "make test-powercut".
package boot

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var (
	image    = flag.String("image", "", "raw disk image (required)")
	binaries = flag.String("binaries", "", "folder with tandem-cpe (required)")
	arch     = flag.String("arch", "amd64", "processor of the image: amd64 or arm64")
	// Hardware virtualisation may be there and not work: it has to be asked for.
	accel = flag.String("accel", "tcg,thread=multi,tb-size=512", "accelerator of QEMU")
	limit = flag.Duration("limit", 0, "how long a boot may take, beside the time that QEMU waits for a processor; 0: 10 minutes under tcg, 2 otherwise")
	deb   = flag.String("deb", "", "package that TestOperation upgrades to")
	cuts  = flag.Int("cuts", 20, "power cuts of TestPowerCut")
	seed  = flag.Int64("seed", 0, "of their moments; 0: a new one, which is printed")
)

// sweep removes the namespaces of runs that were killed.
func sweep() {
	names, _ := filepath.Glob("/run/netns/tandem-i*-*")
	for _, path := range names {
		name := filepath.Base(path)
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, "tandem-i"), "-")
		if _, err := strconv.Atoi(pid); err != nil {
			continue
		}
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			_ = exec.Command("ip", "netns", "del", name).Run()
		}
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *image == "" || *binaries == "" || os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "needs -image, -binaries and root: use make test-image")
		os.Exit(2)
	}
	sweep()
	os.Exit(m.Run())
}
