// Package ratelog is log/slog for what strangers can provoke: at most one line
// per key and interval, in bounded memory, with a count of what was left out.
package ratelog

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"time"
)

// Defaults of the fields of [Logger].
const (
	DefaultInterval = time.Second
	DefaultKeys     = 4096
)

// Attributes that a line carries when lines before it were left out: of the
// same key, and of keys that are no longer or never were remembered.
const (
	Suppressed       = "suppressed"
	SuppressedOthers = "suppressed_others"
)

// Logger writes at most one line per key and Interval. The zero value is
// ready; fields must not change after the first line. It is safe for
// concurrent use.
//
// It remembers at most Keys keys. A new key takes the place of the one whose
// line is oldest, once that line is older than Interval; until then lines of
// new keys are left out. So there are never more than Keys lines per Interval.
type Logger[K comparable] struct {
	Log      *slog.Logger     // nil: slog.Default
	Interval time.Duration    // 0: DefaultInterval
	Keys     int              // 0: DefaultKeys
	Now      func() time.Time // nil: time.Now

	mu     sync.Mutex
	byKey  map[K]*list.Element
	oldest list.List // of *entry[K], by the time of their last line
	others int64
}

type entry[K comparable] struct {
	key        K
	last       time.Time
	suppressed int64
}

// Line logs msg with args, as slog.Logger.Log does, or counts it as left out.
// A line below the logger's level is neither.
func (l *Logger[K]) Line(level slog.Level, key K, msg string, args ...any) {
	log := l.Log
	if log == nil {
		log = slog.Default()
	}
	ctx := context.Background()
	if !log.Enabled(ctx, level) {
		return
	}
	same, others, ok := l.take(key)
	if !ok {
		return
	}
	// A full slice expression, so that the caller's array is not written to.
	args = args[:len(args):len(args)]
	if same > 0 {
		args = append(args, Suppressed, same)
	}
	if others > 0 {
		args = append(args, SuppressedOthers, others)
	}
	log.Log(ctx, level, msg, args...)
}

// take says whether key may have a line now, and what it has to confess.
func (l *Logger[K]) take(key K) (same, others int64, ok bool) {
	now, interval, keys := time.Now, l.Interval, l.Keys
	if l.Now != nil {
		now = l.Now
	}
	if interval == 0 {
		interval = DefaultInterval
	}
	if keys == 0 {
		keys = DefaultKeys
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	at := now()
	if el := l.byKey[key]; el != nil {
		e := el.Value.(*entry[K])
		if at.Sub(e.last) < interval {
			e.suppressed++
			return 0, 0, false
		}
		same, e.suppressed, e.last = e.suppressed, 0, at
		l.oldest.MoveToBack(el)
	} else if !l.remember(key, at, interval, keys) {
		l.others++
		return 0, 0, false
	}
	others, l.others = l.others, 0
	return same, others, true
}

// remember makes room for key, unless every place holds a line too young to
// be forgotten.
func (l *Logger[K]) remember(key K, at time.Time, interval time.Duration, keys int) bool {
	if l.byKey == nil {
		l.byKey = make(map[K]*list.Element)
	}
	if len(l.byKey) < keys {
		l.byKey[key] = l.oldest.PushBack(&entry[K]{key: key, last: at})
		return true
	}
	el := l.oldest.Front()
	e := el.Value.(*entry[K])
	if at.Sub(e.last) < interval {
		return false
	}
	l.others += e.suppressed
	delete(l.byKey, e.key)
	*e = entry[K]{key: key, last: at}
	l.oldest.MoveToBack(el)
	l.byKey[key] = el
	return true
}
