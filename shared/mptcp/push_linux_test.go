package mptcp

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// TestPush: an answer that was written while there was no subflow goes out on
// the next one when it is pushed.
func TestPush(t *testing.T) {
	newLab(t)
	l := listenMPTCP(t)
	client, server := pair(t, l, Dialer{})
	run(t, "ip netns exec %s ss -HKtn state established sport = :%d", nsB, port)
	eventually(t, "no subflow is left", func() (bool, error) {
		subflows, err := Subflows(server)
		for _, s := range subflows {
			if s.State != StateClosed {
				return false, err
			}
		}
		return true, err
	})
	answer := make([]byte, 202)
	if _, err := server.Write(answer); err != nil {
		t.Fatal(err)
	}
	secondPath(t, 0)
	eventually(t, "there is a subflow again", hasExtraSubflow(server))
	_ = client.SetReadDeadline(time.Now().Add(time.Second))
	switch _, err := io.ReadFull(client, answer); {
	case err == nil:
		t.Log("this kernel needs no push")
		return
	case !errors.Is(err, os.ErrDeadlineExceeded):
		t.Fatal(err)
	}
	if n, err := Unsent(server); n != len(answer) || err != nil {
		t.Errorf("Unsent() = %d, %v; want %d", n, err, len(answer))
	}
	if err := Push(server); err != nil {
		t.Fatal(err)
	}
	_ = client.SetReadDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.ReadFull(client, answer); err != nil {
		t.Fatal(err)
	}
	if n, err := Unsent(server); n != 0 || err != nil {
		t.Errorf("afterwards Unsent() = %d, %v", n, err)
	}
}
