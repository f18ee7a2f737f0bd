package main

import "strings"

// target is one binary: what the Go tools call the processor.
type target struct {
	GOARCH string
	Env    string // GOARM, GOMIPS, … as NAME=VALUE; "" if there is nothing to say
	Page   string // alignment of segments, for the linker; "" is its own choice
}

// Segments of MIPS programs are aligned to 64 KiB unless told otherwise, which
// is up to 0.18 MB of padding. No 32-bit MIPS kernel of OpenWrt has pages over
// 4 KiB; of 64-bit ones some have 16 KiB.
const (
	mipsPage   = "0x1000"
	mips64Page = "0x4000"
)

var (
	mips     = target{"mips", "GOMIPS=softfloat", mipsPage}
	mipsle   = target{"mipsle", "GOMIPS=softfloat", mipsPage}
	mips64   = target{"mips64", "GOMIPS64=softfloat", mips64Page}
	mips64le = target{"mips64le", "GOMIPS64=softfloat", mips64Page}
	armv5    = target{"arm", "GOARM=5", ""}
	armv6    = target{"arm", "GOARM=6", ""}
	armv7    = target{"arm", "GOARM=7", ""}
	arm64    = target{"arm64", "", ""}
	amd64    = target{"amd64", "", ""}
	i386     = target{"386", "GO386=sse2", ""}
	i386soft = target{"386", "GO386=softfloat", ""}
	riscv64  = target{"riscv64", "", ""}
	loong64  = target{"loong64", "", ""}
)

// arches maps each package architecture of OpenWrt 24.10 and 25.12 to the
// binary that runs there. All MIPS get the soft-float one, which runs with and
// without a floating-point unit. As in OpenWrt's own golang-values.mk an ARM
// name without a floating-point unit is GOARM=5, with vfp or vfpv2 6, with any
// other 7.
//
// Missing are those that Go has no compiler for: armeb_xscale, powerpc_464fp,
// powerpc_8548, and powerpc64_e5500 (Go's ppc64 begins with POWER8).
var arches = []arch{
	{"aarch64_cortex-a53", arm64},
	{"aarch64_cortex-a72", arm64},
	{"aarch64_cortex-a76", arm64},
	{"aarch64_generic", arm64},
	{"arm_arm1176jzf-s_vfp", armv6},
	{"arm_arm926ej-s", armv5},
	{"arm_cortex-a15_neon-vfpv4", armv7},
	{"arm_cortex-a5_vfpv4", armv7},
	{"arm_cortex-a7", armv5},
	{"arm_cortex-a7_neon-vfpv4", armv7},
	{"arm_cortex-a7_vfpv4", armv7},
	{"arm_cortex-a8_vfpv3", armv7},
	{"arm_cortex-a9", armv5},
	{"arm_cortex-a9_neon", armv7},
	{"arm_cortex-a9_vfpv3-d16", armv7},
	{"arm_fa526", armv5},
	{"arm_xscale", armv5},
	{"i386_pentium-mmx", i386soft},
	{"i386_pentium4", i386},
	{"loongarch64_generic", loong64},
	{"mips64_mips64r2", mips64},
	{"mips64_octeonplus", mips64},
	{"mips64el_mips64r2", mips64le},
	{"mips_24kc", mips},
	{"mips_4kec", mips}, // 24.10 only
	{"mips_mips32", mips},
	{"mipsel_24kc", mipsle},
	{"mipsel_24kc_24kf", mipsle},
	{"mipsel_74kc", mipsle},
	{"mipsel_mips32", mipsle},
	{"riscv64_generic", riscv64}, // 25.12
	{"riscv64_riscv64", riscv64}, // its name in 24.10
	{"x86_64", amd64},
}

// arch is a row of the table.
type arch struct {
	name string
	target
}

// choose returns the rows that are named, by comma; all if none is.
func choose(names string) []arch {
	if names == "" {
		return arches
	}
	var chosen []arch
	for _, a := range arches {
		if strings.Contains(","+names+",", ","+a.name+",") {
			chosen = append(chosen, a)
		}
	}
	return chosen
}

// targetsOf are the different binaries that the rows need.
func targetsOf(rows []arch) []target {
	var all []target
	seen := map[target]bool{}
	for _, a := range rows {
		if !seen[a.target] {
			seen[a.target] = true
			all = append(all, a.target)
		}
	}
	return all
}

// String names the binary's file: mips-softfloat, arm-7, arm64.
func (t target) String() string {
	_, variant, _ := strings.Cut(t.Env, "=")
	if variant == "" {
		return t.GOARCH
	}
	return t.GOARCH + "-" + variant
}
