package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"tandem/shared/smalljson"
)

// ErrNotRunning says that no daemon answers on the socket.
var ErrNotRunning = errors.New("daemon is not running")

// Call sends one request and returns the JSON answer.
func Call(path string, words ...string) ([]byte, error) {
	c, err := dial(path)
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
	var f failure // which has this member alone: long answers are not read for it
	if bytes.HasPrefix(answer, []byte(`{"error":`)) && smalljson.Unmarshal(answer, &f) == nil && f.Error != "" {
		return nil, errors.New(f.Error)
	}
	return answer, nil
}
