package labnet

import (
	"encoding/json"
	"errors"
	"net"
	"time"
)

// The control socket of a lab's link process takes one JSON request per
// connection and answers it. Only root may connect to it.

type request struct {
	Link string      `json:"link"`
	Set  *LinkConfig `json:"set,omitempty"` // nil: only report the state
}

type reply struct {
	Error string    `json:"error,omitempty"`
	State LinkState `json:"state"`
}

// requestTimeout bounds a request and its answer.
const requestTimeout = 5 * time.Second

func socketPath(lab string) string { return runDir(lab) + "/control.sock" }

// remote is a link run by the link process.
type remote struct{ socket, link string }

func (r *remote) set(c LinkConfig) error {
	_, err := r.ask(request{Link: r.link, Set: &c})
	return err
}

func (r *remote) state() (LinkState, error) { return r.ask(request{Link: r.link}) }

func (r *remote) ask(req request) (LinkState, error) {
	conn, err := net.DialTimeout("unix", r.socket, requestTimeout)
	if err != nil {
		return LinkState{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(requestTimeout))
	var rep reply
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return LinkState{}, err
	}
	if err := json.NewDecoder(conn).Decode(&rep); err != nil {
		return LinkState{}, err
	}
	if rep.Error != "" {
		return LinkState{}, errors.New(rep.Error)
	}
	return rep.State, nil
}

// serve answers requests about links until the listener fails.
func serve(listener net.Listener, links map[string]*emulated) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		answer(conn, links) // one at a time: they are short
	}
}

func answer(conn net.Conn, links map[string]*emulated) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(requestTimeout))
	var req request
	if json.NewDecoder(conn).Decode(&req) != nil {
		return
	}
	var rep reply
	if state, err := handle(req, links); err != nil {
		rep.Error = err.Error()
	} else {
		rep.State = state
	}
	_ = json.NewEncoder(conn).Encode(rep)
}

func handle(req request, links map[string]*emulated) (LinkState, error) {
	link := links[req.Link]
	if link == nil {
		return LinkState{}, errors.New("no such link")
	}
	if req.Set != nil {
		if err := req.Set.Validate(); err != nil {
			return LinkState{}, err
		}
		if err := link.set(*req.Set); err != nil {
			return LinkState{}, err
		}
	}
	return link.state(), nil
}
