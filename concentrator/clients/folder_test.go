package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/concentrator/limits"
)

var t0 = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// newStore returns a store in a new folder whose clock stands at t0.
func newStore(t *testing.T) *Folder {
	t.Helper()
	f := NewFolder(filepath.Join(t.TempDir(), "state", "clients"))
	f.Now = func() time.Time { return t0 }
	return f
}

func add(t *testing.T, f *Folder, c Client) *Client {
	t.Helper()
	got, err := f.Add(c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func reload(t *testing.T, f *Folder) {
	t.Helper()
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
}

// valid says which of the keys are taken.
func valid(f *Folder, keys ...Key) (out []bool) {
	for _, k := range keys {
		e, ok := f.Lookup(k.ID)
		out = append(out, ok && e.Key.Secret.Equal(k.Secret))
	}
	return out
}

func TestLifeOfAClient(t *testing.T) {
	f := newStore(t)
	if all, bad, err := f.List(); len(all)+len(bad) > 0 || err != nil {
		t.Fatalf("empty store lists %v %v %v", all, bad, err)
	}
	reload(t, f)
	f.Prepare = func(e *Entry) { e.Prepared = e.Client.Name + " with " + e.Key.ID.String() }
	home := add(t, f, Client{Name: "home", Note: "the first", Limits: limits.Limits{Up: 5_500_000}})
	cabin := add(t, f, Client{Name: "cabin.2-x_"})
	if _, err := f.Add(Client{Name: "home"}); !errors.Is(err, ErrExists) {
		t.Errorf("added twice: %v", err)
	}
	if home.Keys[0].Secret.Equal(cabin.Keys[0].Secret) || home.Keys[0].Secret.IsZero() || home.Keys[0].ID == cabin.Keys[0].ID {
		t.Error("keys are no random ones")
	}
	if diff := cmp.Diff([]bool{false}, valid(f, home.Keys[0])); diff != "" {
		t.Error("valid before the reload", diff)
	}
	reload(t, f)
	if diff := cmp.Diff([]*Client{cabin, home}, f.Clients()); diff != "" {
		t.Errorf("clients (-want +got)\n%s", diff)
	}
	if e, ok := f.Lookup(home.Keys[0].ID); !ok || e.Client.Name != "home" || e.Client.Limits.Up != 5_500_000 ||
		e.Prepared != "home with "+home.Keys[0].ID.String() {
		t.Errorf("lookup: %+v", e)
	}

	enable := func(on bool) {
		t.Helper()
		if _, err := f.Update("home", func(c *Client) error { c.Enabled = on; return nil }); err != nil {
			t.Fatal(err)
		}
		reload(t, f)
	}
	enable(false)
	if diff := cmp.Diff([]bool{false, true}, valid(f, home.Keys[0], cabin.Keys[0])); diff != "" {
		t.Error("disabled", diff)
	}
	if got := f.Missing(home.Keys[0].ID); got != `client "home" is disabled` {
		t.Error(got)
	}
	enable(true)
	if err := f.Remove("cabin.2-x_"); err != nil {
		t.Fatal(err)
	}
	reload(t, f)
	if diff := cmp.Diff([]bool{true, false}, valid(f, home.Keys[0], cabin.Keys[0])); diff != "" {
		t.Error("removed", diff)
	}
	if got := f.Missing(cabin.Keys[0].ID); !strings.HasPrefix(got, "no client has the key ") {
		t.Error(got)
	}

	refused := errors.New("no")
	for name, err := range map[string]error{
		"remove": f.Remove("cabin"),
		"show":   second(f.Show("cabin")),
		"rotate": second(f.Rotate("cabin", false)),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of no client: %v", name, err)
		}
	}
	if err := second(f.Update("home", func(*Client) error { return refused })); !errors.Is(err, refused) {
		t.Error(err)
	}
	if err := second(f.Update("home", func(c *Client) error { c.Limits.Up = 1; return nil })); err == nil {
		t.Error("a limit out of range was saved")
	}
	for _, name := range []string{"", "../etc", "a/b", ".", ".x", "-x", "Home", "a b", "ä", strings.Repeat("a", 65)} {
		for what, err := range map[string]error{
			"add": second(f.Add(Client{Name: name})), "show": second(f.Show(name)), "remove": f.Remove(name), "rotate": second(f.Rotate(name, false)),
		} {
			if err == nil || errors.Is(err, ErrNotFound) {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestRotation(t *testing.T) {
	f := newStore(t)
	old := add(t, f, Client{Name: "home"}).Keys[0]
	reload(t, f)
	use := func(k Key) {
		t.Helper()
		e, ok := f.Lookup(k.ID)
		if !ok {
			t.Fatalf("key %s is not valid", k.ID)
		}
		f.Used(e)
		f.settle()
	}
	rotate := func(atOnce bool) Key {
		t.Helper()
		c, err := f.Rotate("home", atOnce)
		if err != nil {
			t.Fatal(err)
		}
		reload(t, f)
		return c.Keys[len(c.Keys)-1]
	}
	want := func(what string, which []bool, keys ...Key) {
		t.Helper()
		if diff := cmp.Diff(which, valid(f, keys...)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
		restarted := NewFolder(f.Path)
		reload(t, restarted)
		if diff := cmp.Diff(which, valid(restarted, keys...)); diff != "" {
			t.Errorf("%s, after a restart (-want +got)\n%s", what, diff)
		}
	}

	use(old)
	lost := rotate(false)
	want("rotated", []bool{true, true}, old, lost)
	next := rotate(false)
	want("rotated again, the line was lost", []bool{true, false, true}, old, lost, next)
	use(old)
	use(old)
	want("old key used", []bool{true, false, true}, old, lost, next)
	use(next)
	want("new key used", []bool{false, false, true}, old, lost, next)
	if c, _ := f.Show("home"); !c.Keys[0].FirstUsed.Equal(t0) {
		t.Errorf("first use not noted: %+v", c.Keys)
	}
	stolen := next
	next = rotate(true)
	want("rotated at once", []bool{false, true}, stolen, next)
}

// Run does it without being told, and ends with ctx.
func TestRunSavesUses(t *testing.T) {
	f := newStore(t)
	old := add(t, f, Client{Name: "home"}).Keys[0]
	c, err := f.Rotate("home", false)
	if err != nil {
		t.Fatal(err)
	}
	reload(t, f)
	replaced := make(chan []*Client, 1)
	f.OnReload = func(all []*Client) { replaced <- all }
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()
	e, _ := f.Lookup(c.Keys[1].ID)
	f.Used(e)
	f.Used(e)
	if all := <-replaced; len(all) != 1 || len(all[0].Keys) != 1 {
		t.Errorf("table %+v", all)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got, err := f.Show("home"); err != nil || len(got.Keys) != 1 || got.Keys[0].ID == old.ID {
		t.Errorf("saved %+v, %v", got, err)
	}
}

// A file that breaks costs nobody, while the daemon knows what it said.
func TestBrokenFiles(t *testing.T) {
	f := newStore(t)
	var log bytes.Buffer
	f.Log = slog.New(slog.NewTextHandler(&log, nil))
	good, bad := add(t, f, Client{Name: "good"}), add(t, f, Client{Name: "bad"})
	reload(t, f)
	file := filepath.Join(f.Path, "bad.toml")
	if err := os.WriteFile(file, []byte("name = "), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.Path, "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	reload(t, f)
	reload(t, f) // says it once only
	if diff := cmp.Diff([]bool{true, true}, valid(f, good.Keys[0], bad.Keys[0])); diff != "" {
		t.Error(diff)
	}
	if p := f.Problems(); len(p) != 2 || !p[1].Kept || !strings.Contains(p[1].Reason, `file "bad.toml": line 1`) {
		t.Errorf("problems %+v", p)
	}
	if n := strings.Count(log.String(), "client not loaded"); n != 2 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
	restarted := NewFolder(f.Path)
	reload(t, restarted)
	if diff := cmp.Diff([]bool{true, false}, valid(restarted, good.Keys[0], bad.Keys[0])); diff != "" {
		t.Error("after a restart", diff)
	}
	if err := second(f.Rotate("bad", false)); err == nil {
		t.Error("a broken file was rewritten")
	}
	if err := second(f.Add(Client{Name: "bad"})); !errors.Is(err, ErrExists) {
		t.Errorf("a broken file was replaced: %v", err)
	}
	if err := f.Remove("bad"); err != nil {
		t.Error("a broken client cannot be removed:", err)
	}
	reload(t, f)
	if diff := cmp.Diff([]bool{true, false}, valid(f, good.Keys[0], bad.Keys[0])); diff != "" {
		t.Error(diff)
	}
	if err := os.RemoveAll(f.Path); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err == nil {
		t.Error("the folder is gone, and no word")
	}
	if diff := cmp.Diff([]bool{true}, valid(f, good.Keys[0])); diff != "" {
		t.Error("the folder is gone", diff)
	}
}

// Two clients with one key: the copy is refused.
func TestCopiedFile(t *testing.T) {
	f := newStore(t)
	c := add(t, f, Client{Name: "home"})
	text, err := os.ReadFile(filepath.Join(f.Path, "home.toml"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("home"), []byte("twin"), 1)
	if err := os.WriteFile(filepath.Join(f.Path, "twin.toml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	reload(t, f)
	if e, ok := f.Lookup(c.Keys[0].ID); !ok || e.Client.Name != "home" {
		t.Errorf("the key is %+v's", e)
	}
	if p := f.Problems(); len(p) != 1 || !strings.Contains(p[0].Reason, "was the file copied?") {
		t.Errorf("problems %+v", p)
	}
}

func TestLookupIsFree(t *testing.T) {
	f, ids := many(t, 10)
	e, _ := f.Lookup(ids[3])
	f.Used(e)
	if n := testing.AllocsPerRun(100, func() {
		e, _ := f.Lookup(ids[3])
		f.Used(e)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func many(tb testing.TB, n int) (*Folder, []KeyID) {
	tb.Helper()
	f := NewFolder(filepath.Join(tb.TempDir(), "clients"))
	var ids []KeyID
	for i := range n {
		c, err := f.Add(Client{Name: fmt.Sprintf("client-%d", i), Note: "as many as there are"})
		if err != nil {
			tb.Fatal(err)
		}
		ids = append(ids, c.Keys[0].ID)
	}
	if err := f.Reload(); err != nil {
		tb.Fatal(err)
	}
	return f, ids
}

func BenchmarkLookup2000(b *testing.B) {
	f, ids := many(b, 2000)
	b.ResetTimer()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			e, ok := f.Lookup(ids[i%len(ids)])
			if !ok {
				b.Fail()
			}
			f.Used(e)
		}
	})
}

func BenchmarkReload2000(b *testing.B) {
	f, _ := many(b, 2000)
	b.ResetTimer()
	for b.Loop() {
		if err := f.Reload(); err != nil {
			b.Fatal(err)
		}
	}
}
