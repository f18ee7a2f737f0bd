package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// ErrNotRunning says that no daemon answers on the socket.
var ErrNotRunning = errors.New("daemon is not running")

// Call sends one request and returns the JSON answer.
func Call(path string, words ...string) (json.RawMessage, error) {
	c, err := net.DialTimeout("unix", path, exchangeTime)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w (no answer on %q)", ErrNotRunning, path)
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(exchangeTime))
	if _, err := io.WriteString(c, strings.Join(words, " ")+"\n"); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return nil, err
	}
	var f failure
	if json.Unmarshal(answer, &f) == nil && f.Error != "" {
		return nil, errors.New(f.Error)
	}
	return answer, nil
}
