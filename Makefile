# Tandem. `make help` lists the targets.
SHELL := /bin/bash
GO    ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
LDFLAGS  = -s -w -X main.version=$(VERSION)
export CGO_ENABLED ?= 0

# Linters, by exact version, through the Go module proxy.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
export GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

.DEFAULT_GOAL := build
.PHONY: help build daemons vulncheck demo test test-unit test-luci screenshots test-root chaos test-hostile test-modes test-outside test-fire test-fuzz bench bench-check bench-scale bench-peers lint clean setup package test-arch bench-arch test-emulated

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: daemons ## both daemons and the lab, into build/
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o build/lab ./lab

# Whoever builds the same source with the same Go gets the same bytes: no paths
# of this machine, and no more of version control than VERSION says.
daemons: ## both daemons, into build/
	@mkdir -p build
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o build/tandem-cpe ./cpe
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o build/tandem-concentrator ./concentrator

setup: ## install the system packages that the lab and the tests use
	@lab/setup

demo: setup build ## run the main job: one host, two lines, one connection (root, 90 s)
	@build/lab demo $(if $(DEMO_JSON),--json $(DEMO_JSON))

test: setup lint test-unit test-emulated test-deb test-alerts test-luci test-root ## everything but benchmarks (root)
	@cat build/vulncheck.txt

test-unit: ## tests that need no root, with the race detector, and the fuzz corpora
	CGO_ENABLED=1 $(GO) test -race -count=1 $$($(GO) list ./... | grep -v -e /lab/e2e -e /image/boot)
	openwrt/tandem/test.sh

test-root: build ## end-to-end tests in the lab (root)
	CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 20m ./lab/e2e -binaries $(CURDIR)/build

CHAOS ?= 1000
SEED ?= 1
chaos: build ## random events under 50 connections, every byte checked (root, 10 min; CHAOS=events, SEED=n, 0: another each time)
	CGO_ENABLED=1 $(GO) test -count=1 -v -timeout 60m -run TestChaos ./lab/e2e -binaries $(CURDIR)/build -chaos $(CHAOS) -seed $(SEED)

test-modes: build ## modes and uneven lines under loads of full length, with figures (root, 20 min)
	CGO_ENABLED=1 $(GO) test -count=1 -v -timeout 40m -run 'Mode|Overflow|Uneven|Stripped|PathManagers' ./lab/e2e -long -binaries $(CURDIR)/build

test-outside: build ## connections from outside: 100 MB over both lines against their sum, with figures (root, 2 min)
	CGO_ENABLED=1 $(GO) test -count=1 -v -timeout 15m -run 'TestFromOutside' ./lab/e2e -long -binaries $(CURDIR)/build

HOSTILE = TestFlood|TestGarbageThenIdle|TestSlowSenders|TestWrongCredential|TestReplay|TestForbiddenDestinations|TestBindingLog|TestFault
test-hostile: build ## attacks of full length, with figures; a quiet machine, please (root, 10 min)
	$(GO) test -v -count=1 -timeout 30m -run '$(HOSTILE)' ./lab/e2e -binaries $(CURDIR)/build -long

test-fire: build ## 10,000 requests while all that can fail does (root, 5 min)
	$(GO) test -v -count=1 -timeout 30m -run 'TestFireTogether|TestPoolUnderFire|TestAnswerLost' ./lab/e2e -binaries $(CURDIR)/build -long

# Chromium is Debian's; what drives it comes from npm by exact version and hash.
build/luci-test/installed: luci-app/test/package.json luci-app/test/package-lock.json
	@mkdir -p build/luci-test
	cp $^ build/luci-test/
	cd build/luci-test && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

test-luci: build build/luci-test/installed ## the LuCI pages in Chromium, in part before the lab (root; LUCI_SRC=DIR: on LuCI's own resources)
	node --test luci-app/test/*.test.js

screenshots: daemons build/luci-test/installed ## pictures of the LuCI pages, into docs/luci/ (LUCI_SRC=DIR: with LuCI's theme)
	node luci-app/test/screenshots.js docs/luci

bench: bench-peers build ## measure, and write docs/performance.md (root; BENCH=bulk,wan: these sections only)
	@build/lab bench --report docs/performance.md $(if $(BENCH),--only $(BENCH)) $(if $(BENCH_JSON),--json $(BENCH_JSON))

bench-check: setup build ## compare with plain routing and raw MPTCP, fail below floors (root, 4 min)
	@lab/setup-peers --packages
	@build/lab bench --check --rounds 3

bench-peers: setup ## get the programs that bench compares with: Debian packages, Go modules
	@lab/setup-peers

SCALE_CACHE = $(HOME)/.cache/tandem-scale
bench-scale: setup build ## 100,000 connections of 2,000 clients in a guest, into docs/performance.md (root, 12 GB, 25 min; the first time 10 more for its kernel)
	@missing=; for p in flex bison bc debian-archive-keyring; do [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing
	@[ -x $(SCALE_CACHE)/linux ] || lab/scale/build-kernel $(SCALE_CACHE)
	@$(GO) build -o build/scale ./lab/scale
	@nice -n 10 build/scale --cache $(SCALE_CACHE) $(if $(STAY),--stay $(STAY)) build docs/performance.md

.PHONY: kernel test-kernels
kernel: ## what this kernel does with MPTCP: docs/kernel-notes.md (root, 5 min)
	@$(GO) run ./lab/kernel

test-kernels: ## the same in guests with Debian's 6.12 and 7.x kernels (root, QEMU, about an hour)
	@lab/setup --guests
	@mkdir -p build && $(GO) build -o build/kernel ./lab/kernel
	@lab/kernel/kernels

FUZZTIME ?= 30s
test-fuzz: ## each fuzz target for FUZZTIME (30s)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg; \
	  done; done

# OpenWrt packages. APK names an apk program (version 3) to get .apk files too,
# USIGN_KEY and APK_KEY the keys that sign the feed (default: ones made in build/).
# ARCH=mipsel_24kc,x86_64 builds only these; the image's default for ARCH is not meant.
package: ## .ipk (and .apk) packages and a signed feed for OpenWrt, into build/
	$(GO) run ./openwrt/pack -program-version '$(VERSION)' $(if $(filter command environment,$(origin ARCH)),-arch $(ARCH)) $(if $(USIGN_KEY),-key $(USIGN_KEY)) $(if $(APK),-apk $(APK)) $(if $(APK_KEY),-apk-key $(APK_KEY))

# Code that could mind byte order, word size or alignment. Not here is what needs
# a kernel of its own kind (sockets of MPTCP, netlink, nftables, durable files):
# user-mode emulation passes only a part of that on; make test-arch has it.
EMULATED = ./shared/convert ./shared/credential ./shared/pairing ./shared/smalljson ./shared/logline ./shared/columns \
	./cpe/config ./cpe/policy ./cpe/handshake ./cpe/firstbytes ./cpe/netifd
test-emulated: ## unit tests on big-endian MIPS, by user-mode emulation
	GOARCH=mips GOMIPS=softfloat CGO_ENABLED=0 $(GO) test -count=1 -exec qemu-mips-static $(EMULATED)

# One guest after the other: a kernel with MPTCP on another processor.
# MACHINES=mips, big-endian, builds its kernel and nft first, which Debian has not
# (15 min, once): lab/arch/build-mips says from what. MODES=1 shows the modes
# overflow and failover there instead.
# bench-arch wants a machine that has nothing else to do: its guests count
# instructions, but lines do not wait for them. It says so when they fell behind.
test-arch: ## tandem-cpe on emulated MIPS and ARM machines (root, 5 to 10 min a machine)
bench-arch: ## its processor time there beside a plain relay's (root, 2 min a machine; ARCH_LINES="-dsl 50 -lte 100")
test-arch bench-arch: setup daemons
	@missing=; for p in qemu-system-mips qemu-system-arm kmod cpio $(if $(filter mips,$(MACHINES)),linux-source-6.12 gcc-mips-linux-gnu libc6-dev-mips-cross flex bison bc); do [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing
	$(GO) run ./lab/arch $(if $(filter bench-arch,$@),-compare 5 -mib 32 $(ARCH_LINES)) $(if $(MODES),-modes) $(if $(ARCH_JSON),-json $(ARCH_JSON)) $(if $(MACHINES),$(MACHINES),mipsle arm arm64)

lint: ## gofmt, vet, staticcheck, known vulnerabilities
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@$(MAKE) -s vulncheck

vulncheck: ## known vulnerabilities in what the daemons are built with
	@GO='$(GO)' lab/vulncheck

-include image/targets.mk

clean: ## remove what was built
	rm -rf build
