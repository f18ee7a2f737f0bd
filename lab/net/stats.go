package labnet

import "time"

// Stats counts what one direction of a link saw since the lab was started.
type Stats struct {
	// SentPackets and SentBytes (of IP packets) came into the link.
	SentPackets uint64 `json:"sent_packets"`
	SentBytes   uint64 `json:"sent_bytes"`
	// Packets and Bytes reached the other end.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`

	Drops Drops `json:"drops"`

	// SYNs and what they carry, as sent, so before anything is stripped or
	// lost. SYN+ACKs are not counted.
	SYNs              uint64 `json:"syns"`
	CapableSYNs       uint64 `json:"mp_capable_syns"`
	JoinSYNs          uint64 `json:"mp_join_syns"`
	SYNPayload        uint64 `json:"syn_payload_bytes"`
	CapableSYNPayload uint64 `json:"mp_capable_syn_payload_bytes"`
	TCPPayload        uint64 `json:"tcp_payload_bytes"` // of all segments
	QueueBytes        int64  `json:"queue_bytes"`       // waiting now

	// How exact the emulation was: packets delivered more than 1 ms after
	// their time, because the machine was busy, and the worst of all.
	LatePackets   uint64        `json:"late_packets"`
	WorstLateness time.Duration `json:"worst_lateness_ns"`
}

// Drops counts packets that did not arrive, by cause.
type Drops struct {
	Queue     uint64 `json:"queue"`     // did not fit
	Loss      uint64 `json:"loss"`      // Shape.Loss
	Blackhole uint64 `json:"blackhole"` // LinkConfig.Blackhole
	Off       uint64 `json:"off"`       // LinkConfig.Off
	Filter    uint64 `json:"filter"`    // taken by a filter
	Device    uint64 `json:"device"`    // the receiving host's device was down
}

// Total is the sum of all causes.
func (d Drops) Total() uint64 {
	return d.Queue + d.Loss + d.Blackhole + d.Off + d.Filter + d.Device
}

// LinkStats are the counters of both directions.
type LinkStats struct {
	Down Stats `json:"down"` // towards the lan
	Up   Stats `json:"up"`   // towards net
}

// late notes how much after its time a packet is delivered.
func (s *Stats) late(by time.Duration) {
	s.WorstLateness = max(s.WorstLateness, by)
	if by > time.Millisecond {
		s.LatePackets++
	}
}

// sent counts a packet as it enters.
func (s *Stats) sent(pkt []byte) {
	s.SentPackets++
	s.SentBytes += uint64(len(pkt))
	p, ok := parseTCP(pkt)
	if !ok {
		return
	}
	payload := uint64(len(p.ip) - p.payload)
	s.TCPPayload += payload
	if !p.isSYN() {
		return
	}
	s.SYNs++
	s.SYNPayload += payload
	switch {
	case p.hasSubtype(subtypeCapable):
		s.CapableSYNs++
		s.CapableSYNPayload += payload
	case p.hasSubtype(subtypeJoin):
		s.JoinSYNs++
	}
}
