# The Debian package and the VM image of the concentrator.
ARCH ?= amd64
# Debian's kind of version: after a tag by what came since, else before the first.
ifndef DEB_VERSION
DEB_VERSION := $(shell git describe --tags 2>/dev/null | sed 's/^v//; s/-\([0-9]*\)-g/+\1./' | grep . || \
	git log -1 --format=0.1.0~git%cd.%h --date=format:%Y%m%d 2>/dev/null)
endif
DEB = build/deb/tandem-concentrator_$(DEB_VERSION)_$(ARCH).deb
.PHONY: deb image oci test-deb test-image test-image-operation test-powercut test-alerts image-tools check-tools

deb: ## build/deb/tandem-concentrator_VERSION_ARCH.deb (ARCH=amd64 or arm64)
	@mkdir -p build/$(ARCH)
	GOARCH=$(ARCH) $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o build/$(ARCH)/tandem-concentrator ./concentrator
	@concentrator/debian/build build/$(ARCH)/tandem-concentrator $(ARCH) $(DEB_VERSION) build/deb

image-tools:
	@image/tools

IMAGES = build/image$(if $(filter-out amd64,$(ARCH)),/$(ARCH))
image: image-tools deb ## build/image/tandem-concentrator.{raw,qcow2}: a VM that boots everywhere (root, 5 min; ARCH=arm64)
	GOARCH=$(ARCH) $(GO) build -trimpath -buildvcs=false -ldflags '-s -w' -o build/$(ARCH)/setup ./image/setup
	image/build $(DEB) build/$(ARCH)/setup $(IMAGES)

oci: ## build/oci/tandem-concentrator-ARCH.tar, a container image (docs/image.md has its caveats)
	@mkdir -p build/oci build/$(ARCH)
	GOARCH=$(ARCH) $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o build/$(ARCH)/tandem-concentrator ./concentrator
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(GO) run ./image/oci -arch $(ARCH) \
		build/$(ARCH)/tandem-concentrator concentrator/tandem-concentrator.toml build/oci/tandem-concentrator-$(ARCH).tar

check-tools:
	@image/tools lintian prometheus

test-deb: check-tools deb ## what lintian says of the package
	lintian --allow-root --fail-on error,warning --suppress-tags bad-distribution-in-changes-file $(DEB)

test-alerts: check-tools ## the alert rules, by promtool
	cd concentrator/monitoring && promtool check rules alerts.yml && promtool test rules alerts_test.yml

# Hardware virtualisation may be there and hang: name it if you know it works,
# as in BOOT='-accel kvm'.
BOOT ?=
IMAGE_TEST = CGO_ENABLED=0 $(GO) test -count=1 -v ./image/boot -arch $(ARCH) -image $(CURDIR)/$(IMAGES)/tandem-concentrator.raw -binaries $(CURDIR)/build $(BOOT)

test-image: build image-tools ## boot the built image (make image) in QEMU, BIOS and UEFI, all disks, pair a CPE, move 100 MB (root, 20 min)
	$(IMAGE_TEST) -timeout 3h -run 'TestImage$(if $(filter amd64,$(ARCH)),|TestDisks)'

test-image-operation: build image-tools deb ## 5,000 connections in the image, an upgrade of its daemon and of the whole, a power cut (root, 15 min)
	$(IMAGE_TEST) -deb $(CURDIR)/$(DEB) -timeout 2h -run TestOperation

test-powercut: build image-tools ## pull the plug of the built image 20 times (root, 1 h)
	$(IMAGE_TEST) -timeout 6h -run TestPowerCut
