package health

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"tandem/cpe/uplink"
	"tandem/shared/durable"
	"tandem/shared/logline"
	"tandem/shared/nocmp"
)

// Budget is what probes may cost on metered lines: 1 MB a month each, whatever
// state lines and concentrators are in and however often the daemon or the router
// starts. It has two parts. What is left of the larger one is kept in a file, from
// which some is drawn at a time: a daemon that dies has lost what it had drawn,
// and writes come to a hundred a month at most. The smaller one comes in drops
// while the daemon runs, is kept nowhere and is for what has to be known: it is
// there, a little of it, also when the other part is used up.
type Budget struct {
	Log *logline.Logger
	// Folder is where it is kept. It may be flash.
	Folder string
	// Now returns the time, and whether it is known to be right. While it is not,
	// nothing is added.
	Now func() (t time.Time, sure bool)

	mu       sync.Mutex
	accounts map[string]*account // by line
	warned   bool
}

// account is a line's, in bytes.
type account struct {
	_    nocmp.Field
	left int64     // as the file has it
	at   time.Time // until when left was added to; zero: never
	hand int64     // drawn and not spent

	drops  float64   // of the smaller part
	dropAt time.Time // when the last was added; zero: never
}

const (
	monthBytes = 1_000_000
	// mostBytes may be saved up of the larger part, mostDrops of the smaller one,
	// which is dropBytes a month. All of it is part of the month's megabyte.
	mostBytes = 50_000
	mostDrops = 2_000
	dropBytes = 240_000
	fillBytes = monthBytes - mostBytes - mostDrops - dropBytes
	month     = 31 * 24 * time.Hour
	// drawBytes are drawn at a time.
	drawBytes = 10_000
	// newBytes are there for a line that the file does not know.
	newBytes = 2 * drawBytes

	budgetFile = "probes"
)

// NewBudget reads what is left from the folder.
func NewBudget(log *logline.Logger, folder string, now func() (time.Time, bool)) *Budget {
	b := &Budget{Log: log, Folder: folder, Now: now}
	var err error
	if b.accounts, err = loadBudget(folder); err != nil {
		log.Warn("what probes of metered lines have cost is not known", "err", err)
		b.accounts = map[string]*account{}
	}
	return b
}

// Take spends bytes on a line if it can be afforded; on a line that is not
// metered it always can.
func (b *Budget) Take(w uplink.WAN, bytes int64) bool { return b.spend(w, bytes, false) }

// Need is Take for what has to be known.
func (b *Budget) Need(w uplink.WAN, bytes int64) bool { return b.spend(w, bytes, true) }

func (b *Budget) spend(w uplink.WAN, bytes int64, needed bool) bool {
	if b == nil || !w.Metered {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[w.Name]
	if a == nil {
		a = &account{left: newBytes}
		b.accounts[w.Name] = a
	}
	a.drip(time.Now())
	if a.hand < bytes {
		known := !a.at.IsZero()
		if a.fill(b.Now()); !known && !a.at.IsZero() {
			b.save() // time counts from now on, also over restarts
		}
		if a.left >= drawBytes { // less would be a write for each probe
			a.left -= drawBytes
			a.hand += drawBytes
			b.save()
		}
	}
	switch {
	case a.hand >= bytes:
		a.hand -= bytes
	case needed && a.drops >= float64(bytes):
		a.drops -= float64(bytes)
	default:
		return false
	}
	return true
}

// drip adds to the smaller part what the time since the last addition is worth.
// It goes by the time that the daemon has run, so that starts add nothing.
func (a *account) drip(now time.Time) {
	if !a.dropAt.IsZero() {
		a.drops = min(mostDrops, a.drops+now.Sub(a.dropAt).Seconds()*dropBytes/month.Seconds())
	}
	a.dropAt = now
}

// fill adds what the time since the last addition is worth.
func (a *account) fill(now time.Time, sure bool) {
	if !sure {
		return
	}
	since := now.Sub(a.at)
	if a.at.IsZero() || since < 0 { // or a clock that was wrong
		a.at = now
		return
	}
	// By whole seconds as the file has them, so that nothing is lost or won.
	since = min(since.Truncate(time.Second), month)
	more := int64(since.Seconds() * fillBytes / month.Seconds())
	if more > 0 {
		a.left, a.at = min(mostBytes, a.left+more), now.Truncate(time.Second)
	}
}

// Close gives back what was drawn and not spent.
func (b *Budget) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := false
	for _, a := range b.accounts {
		changed = changed || a.hand != 0
		a.left, a.hand = a.left+a.hand, 0
	}
	if changed {
		b.save()
	}
}

// save is called with mu held.
func (b *Budget) save() {
	if err := saveBudget(b.Folder, b.accounts); err != nil && !b.warned {
		b.warned = true
		b.Log.Warn("what probes of metered lines cost is not kept over a restart", "err", err)
	}
}

func loadBudget(folder string) (map[string]*account, error) {
	accounts := map[string]*account{}
	d, err := durable.RLock(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return accounts, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	text, err := d.Read(budgetFile, 1<<16)
	if errors.Is(err, fs.ErrNotExist) {
		return accounts, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		if len(words) != 3 {
			return nil, fmt.Errorf("probes file: %q is no account of a line", line)
		}
		left, err := strconv.ParseInt(words[1], 10, 64)
		at, err2 := strconv.ParseInt(words[2], 10, 64)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("probes file: %q is no account of a line", line)
		}
		a := &account{left: min(left, mostBytes)}
		if at > 0 {
			a.at = time.Unix(at, 0)
		}
		accounts[words[0]] = a
	}
	return accounts, nil
}

func saveBudget(folder string, accounts map[string]*account) error {
	if err := durable.Make(folder); err != nil {
		return err
	}
	d, err := durable.Lock(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	var text strings.Builder
	text.WriteString("# What probes of metered lines may still cost: name, bytes, Unix time. Written by tandem-cpe.\n")
	for name, a := range accounts {
		at := int64(0)
		if !a.at.IsZero() {
			at = a.at.Unix()
		}
		fmt.Fprintln(&text, name, a.left, at)
	}
	return d.Write(budgetFile, []byte(text.String()))
}
