package labnet

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"time"
)

// capture writes a pcap file. Both directions of a link share it.
type capture struct {
	mu   sync.Mutex
	file *os.File
	rec  []byte
}

const (
	pcapMagicNanos = 0xa1b23c4d
	linkTypeRaw    = 101 // packets start with the IPv4 or IPv6 header
	snapLength     = 65535
)

func newCapture(path string) (*capture, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	h := binary.LittleEndian.AppendUint32(nil, pcapMagicNanos)
	h = binary.LittleEndian.AppendUint16(h, 2) // version 2.4
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = append(h, make([]byte, 8)...) // time zone, accuracy: unused
	h = binary.LittleEndian.AppendUint32(h, snapLength)
	h = binary.LittleEndian.AppendUint32(h, linkTypeRaw)
	if _, err := f.Write(h); err != nil {
		f.Close()
		return nil, fmt.Errorf("capture: %w", err)
	}
	return &capture{file: f}, nil
}

// packet appends one record, in one write, so that the file can be read while
// it grows. A failed write (disk full) ends the capture.
func (c *capture) packet(at time.Time, pkt []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return
	}
	c.rec = binary.LittleEndian.AppendUint32(c.rec[:0], uint32(at.Unix()))
	c.rec = binary.LittleEndian.AppendUint32(c.rec, uint32(at.Nanosecond()))
	c.rec = binary.LittleEndian.AppendUint32(c.rec, uint32(len(pkt)))
	c.rec = binary.LittleEndian.AppendUint32(c.rec, uint32(len(pkt)))
	c.rec = append(c.rec, pkt...)
	if _, err := c.file.Write(c.rec); err != nil {
		c.file.Close()
		c.file = nil
	}
}

func (c *capture) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		c.file.Close()
		c.file = nil
	}
}
