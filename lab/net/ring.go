package labnet

// packet is one packet under way.
type packet struct {
	depart int64 // leaves the queue
	due    int64 // reaches the other end
	data   []byte
}

// ring is a queue of packets that reuses their buffers.
type ring struct {
	slots []packet // power of two
	first int
	count int
	bytes int
	free  [][]byte
}

// bufferSize holds a packet of any MTU up to it.
const bufferSize = 2048

// spare returns a buffer to read the next packet into. It stays the next
// spare one until it is pushed.
func (r *ring) spare() []byte {
	if len(r.free) == 0 {
		r.free = append(r.free, make([]byte, bufferSize))
	}
	return r.free[len(r.free)-1]
}

// push appends pkt, whose data starts the current spare buffer.
func (r *ring) push(pkt packet) {
	if r.count == len(r.slots) {
		r.grow()
	}
	r.free = r.free[:len(r.free)-1]
	r.slots[(r.first+r.count)&(len(r.slots)-1)] = pkt
	r.count++
	r.bytes += len(pkt.data)
}

// head returns the oldest packet, or nil.
func (r *ring) head() *packet {
	if r.count == 0 {
		return nil
	}
	return &r.slots[r.first]
}

// pop removes the oldest packet; its data is free for the next one.
func (r *ring) pop() {
	pkt := &r.slots[r.first]
	r.bytes -= len(pkt.data)
	r.free = append(r.free, pkt.data[:bufferSize])
	*pkt = packet{}
	r.first = (r.first + 1) & (len(r.slots) - 1)
	r.count--
}

// drop empties the ring and returns how many packets there were.
func (r *ring) drop() int {
	n := r.count
	for r.count > 0 {
		r.pop()
	}
	return n
}

// each calls f on every packet, oldest first.
func (r *ring) each(f func(*packet)) {
	for i := range r.count {
		f(&r.slots[(r.first+i)&(len(r.slots)-1)])
	}
}

func (r *ring) grow() {
	bigger := make([]packet, max(64, 2*len(r.slots)))
	i := 0
	r.each(func(p *packet) { bigger[i] = *p; i++ })
	r.slots, r.first = bigger, 0
}
