package servers

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
)

// Once is a server that notices when a request reaches it twice: each carries
// an identity of its own.
type Once struct {
	mu   sync.Mutex
	seen map[string]int
}

// Serve reads one line, the request, and answers "ok" and that line.
func (o *Once) Serve(c *net.TCPConn) {
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	id := strings.TrimSpace(line)
	o.mu.Lock()
	if o.seen == nil {
		o.seen = make(map[string]int)
	}
	o.seen[id]++
	o.mu.Unlock()
	fmt.Fprintf(c, "ok %s\n", id)
}

// Requests returns how many different ones came, and how many came again.
func (o *Once) Requests() (different, again int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.seen {
		again += n - 1
	}
	return len(o.seen), again
}
