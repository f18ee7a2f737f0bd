package service

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// LogHandler writes to the journal when that is where stderr goes, each
// attribute as a field of its own (TANDEM_CLIENT=…); else text to stderr.
func LogHandler(stderr io.Writer, level slog.Leveler) slog.Handler {
	if direct, err := journal.StderrIsJournalStream(); err == nil && direct && journal.Enabled() {
		return &journalHandler{level: level, send: journal.Send}
	}
	return slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})
}

// journalHandler turns log lines into journal entries. The message is readable
// by itself: it holds the attributes too.
type journalHandler struct {
	level  slog.Leveler
	send   func(message string, priority journal.Priority, fields map[string]string) error
	attrs  []slog.Attr // of WithAttrs, their keys with the group in front
	prefix string      // of WithGroup
}

func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *journalHandler) Handle(_ context.Context, r slog.Record) error {
	fields := make(map[string]string, len(h.attrs)+r.NumAttrs()+1)
	fields["SYSLOG_IDENTIFIER"] = "tandem-concentrator"
	var text strings.Builder
	text.WriteString(r.Message)
	add := func(key string, v slog.Value) {
		value := v.String()
		fields[fieldName(key)] = value
		text.WriteByte(' ')
		text.WriteString(key)
		text.WriteByte('=')
		if strings.ContainsAny(value, " \"=\n") || value == "" {
			value = strconv.Quote(value)
		}
		text.WriteString(value)
	}
	for _, a := range h.attrs {
		flatten("", a, add)
	}
	r.Attrs(func(a slog.Attr) bool {
		flatten(h.prefix, a, add)
		return true
	})
	return h.send(text.String(), priority(r.Level), fields)
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.prefix + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.prefix = h.prefix + name + "."
	return &next
}

// flatten calls add for every attribute that is no group.
func flatten(prefix string, a slog.Attr, add func(string, slog.Value)) {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		add(prefix+a.Key, v)
		return
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, inner := range v.Group() {
		flatten(prefix, inner, add)
	}
}

// fieldName makes a name that the journal accepts: capitals, digits and
// underscores, and ours by its prefix.
func fieldName(key string) string {
	return "TANDEM_" + strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, key)
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
