package relay

import (
	"testing"
	"unsafe"
)

// An idle flow is this and two descriptors: think before it grows.
func TestSize(t *testing.T) {
	const most = 640 // the allocator's next size
	if got := unsafe.Sizeof(Flow{}); got > most {
		t.Errorf("a flow takes %d bytes, want at most %d", got, most)
	} else {
		t.Logf("a flow takes %d bytes", got)
	}
}
