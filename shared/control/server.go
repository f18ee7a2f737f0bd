package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tandem/shared/smalljson"
)

// Handler answers one request. What it returns is sent as JSON; an error is
// sent as {"error": "..."}.
type Handler func(args []string) (any, error)

// Server answers requests on a unix socket.
type Server struct {
	Path     string
	Handlers map[string]Handler

	listener *os.File
}

const (
	maxRequest   = 4096
	maxClients   = 16
	exchangeTime = 10 * time.Second
)

// Listen opens the socket: who calls from now on waits until Run answers. It
// replaces a socket that a crashed daemon left, but not one on which a daemon
// still answers.
func (s *Server) Listen() (err error) {
	s.listener, err = listen(s.Path)
	return err
}

// Run serves until ctx ends and removes the socket. It opens the socket if
// Listen has not.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	l := s.listener
	stop := context.AfterFunc(ctx, func() { os.Remove(s.Path); l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxClients)
	for {
		c, err := accept(l)
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			// Out of descriptors: wait for one rather than spin or die.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { c.Close(); <-slots; wg.Done() }()
			s.answer(c)
		}()
	}
}

func listen(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if c, err := dial(path); err == nil {
		c.Close()
		return nil, fmt.Errorf("control socket %q: another daemon answers on it; stop that one or choose another path", path)
	}
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("control socket %q: a file of that name exists and is no socket", path)
		}
		os.Remove(path)
	}
	old := unix.Umask(0o177)
	l, err := bind(path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

func (s *Server) answer(c *os.File) {
	_ = c.SetDeadline(time.Now().Add(exchangeTime))
	s.exchange(c)
}

// exchange reads one line and writes one. What ends without a line, or is too
// long for one, gets no answer.
func (s *Server) exchange(c io.ReadWriter) {
	line, err := bufio.NewReader(io.LimitReader(c, maxRequest)).ReadString('\n')
	if err != nil {
		return
	}
	var reply any
	words := strings.Fields(line)
	if len(words) == 0 {
		err = errors.New("empty request")
	} else if h := s.Handlers[words[0]]; h == nil {
		err = fmt.Errorf("unknown request %q", words[0])
	} else {
		reply, err = h(words[1:])
	}
	if err != nil {
		reply = failure{err.Error()}
	}
	text, err := smalljson.Marshal(reply)
	if err != nil {
		text, _ = smalljson.Marshal(failure{err.Error()})
	}
	_, _ = c.Write(append(text, '\n'))
}

type failure struct {
	Error string `json:"error"`
}
