# The Debian package and the VM image of the concentrator.
ARCH ?= amd64
# Debian's kind of version: after a tag by what came since, else before the first.
DEB_VERSION ?= $(shell git describe --tags 2>/dev/null | sed 's/^v//; s/-\([0-9]*\)-g/+\1./' | grep . || \
	git log -1 --format=0.1.0~git%cd.%h --date=format:%Y%m%d 2>/dev/null)
DEB = build/deb/tandem-concentrator_$(DEB_VERSION)_$(ARCH).deb
.PHONY: deb image test-deb test-image test-powercut image-tools

deb: ## build/deb/tandem-concentrator_VERSION_ARCH.deb (ARCH=amd64 or arm64)
	@mkdir -p build/$(ARCH)
	GOARCH=$(ARCH) $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o build/$(ARCH)/tandem-concentrator ./concentrator
	@concentrator/debian/build build/$(ARCH)/tandem-concentrator $(ARCH) $(DEB_VERSION) build/deb

image-tools:
	@image/tools

image: image-tools deb ## build/image/tandem-concentrator.{raw,qcow2}: a VM that boots everywhere (root, 5 min)
	GOARCH=$(ARCH) $(GO) build -trimpath -buildvcs=false -ldflags '-s -w' -o build/$(ARCH)/setup ./image/setup
	image/build $(DEB) build/$(ARCH)/setup build/image
