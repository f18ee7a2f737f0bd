// Package logline writes a program's log: one line an event, key=value, as
// log/slog's TextHandler writes it. It exists because log/slog brings
// encoding/json along, together 0.28 MB of a router's program.
package logline

import (
	"encoding"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// Level says how much a line matters; the numbers are log/slog's.
type Level int

// The levels.
const (
	Debug Level = -4
	Info  Level = 0
	Warn  Level = 4
	Error Level = 8
)

// String is the level as a line has it.
func (l Level) String() string {
	switch {
	case l >= Error:
		return "ERROR"
	case l >= Warn:
		return "WARN"
	case l >= Info:
		return "INFO"
	}
	return "DEBUG"
}

// MarshalText is String, so that a Level shows in JSON as in a line.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Logger writes lines. Several goroutines may use it, and loggers that With
// made of it, at once.
type Logger struct {
	to   *sink
	with []byte // what each line carries, ready to be appended
}

type sink struct {
	mu    sync.Mutex
	out   io.Writer
	least atomic.Int64
	now   func() time.Time
}

// New returns a Logger that writes to out what is at least Info.
func New(out io.Writer) *Logger { return &Logger{to: &sink{out: out, now: time.Now}} }

// SetLevel sets the least level that is written, for this logger and all that
// With made of it or it was made of.
func (l *Logger) SetLevel(least Level) { l.to.least.Store(int64(least)) }

// With returns a logger whose lines carry args too.
func (l *Logger) With(args ...any) *Logger {
	return &Logger{to: l.to, with: appendPairs(l.with[:len(l.with):len(l.with)], args)}
}

// Debug, Info, Warn and Error write a line: a message, then pairs of key and
// value.
func (l *Logger) Debug(msg string, args ...any) { l.line(Debug, msg, args) }

// Info is like Debug, for what a user may want to know.
func (l *Logger) Info(msg string, args ...any) { l.line(Info, msg, args) }

// Warn is like Debug, for what works less well than it could.
func (l *Logger) Warn(msg string, args ...any) { l.line(Warn, msg, args) }

// Error is like Debug, for what does not work.
func (l *Logger) Error(msg string, args ...any) { l.line(Error, msg, args) }

// Enabled says whether a line of that level would be written.
func (l *Logger) Enabled(level Level) bool { return int64(level) >= l.to.least.Load() }

func (l *Logger) line(level Level, msg string, args []any) {
	if !l.Enabled(level) {
		return
	}
	b := make([]byte, 0, 256)
	b = append(b, "time="...)
	b = l.to.now().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, " level="...)
	b = append(b, level.String()...)
	b = append(b, " msg="...)
	b = appendText(b, msg)
	b = append(b, l.with...)
	b = append(appendPairs(b, args), '\n')
	l.to.mu.Lock()
	defer l.to.mu.Unlock()
	_, _ = l.to.out.Write(b) // a log that cannot be written has nobody to tell
}

func appendPairs(b []byte, args []any) []byte {
	for i := 0; i < len(args); i += 2 {
		key, ok := args[i].(string)
		if !ok || i+1 == len(args) { // a slip of the caller; show what there is
			b = append(b, " !BADKEY="...)
			b = appendValue(b, args[i])
			i--
			continue
		}
		b = append(b, ' ')
		b = appendText(b, key)
		b = append(b, '=')
		b = appendValue(b, args[i+1])
	}
	return b
}

func appendValue(b []byte, v any) (out []byte) {
	// A nil pointer with methods must not end the program for a log line.
	defer func() {
		if r := recover(); r != nil {
			out = append(b, "!PANIC"...)
		}
	}()
	switch v := v.(type) {
	case string:
		return appendText(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case bool:
		return strconv.AppendBool(b, v)
	case time.Time:
		return v.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return appendText(b, "!ERROR:"+err.Error())
		}
		return appendText(b, string(text))
	}
	return appendText(b, fmt.Sprintf("%+v", v))
}

func appendText(b []byte, s string) []byte {
	if needsQuotes(s) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

func needsQuotes(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || r == ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) {
			return true
		}
	}
	return s == ""
}
