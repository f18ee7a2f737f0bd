package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"tandem/cpe/config"
	"tandem/cpe/keys"
	"tandem/cpe/lookup"
	"tandem/shared/control"
	"tandem/shared/credential"
	"tandem/shared/pairing"
	"tandem/shared/wrapped"
)

// joinReport is what join has done, or would do; its JSON is for programs and
// keeps its names. The key itself is never in it.
type joinReport struct {
	Client    string       `json:"client"` // this router's name at the concentrator
	Host      string       `json:"host,omitempty"`
	Addresses []netip.Addr `json:"addresses"`
	Port      uint16       `json:"port"`
	Key       string       `json:"key"` // its id

	Section    string `json:"section"`
	Added      bool   `json:"section_added"`
	Changed    bool   `json:"file_changed"`
	Replaced   string `json:"replaced_key,omitempty"`
	EnabledNow bool   `json:"enabled_now"`
	Enabled    bool   `json:"enabled"`
	Lines      int    `json:"wans"` // sections wan
	Position   int    `json:"position"`

	Check  bool   `json:"check"`
	Daemon string `json:"daemon,omitempty"` // "reloaded", "not running", or why it refused
}

// joinFault is what --json prints of a failure.
type joinFault struct {
	Error string `json:"error"`
	Char  int    `json:"char,omitempty"` // of the pairing line, from 1 on, where that is known
}

// join pairs this router with a concentrator.
func join(o options, line string, stdin io.Reader, stdout io.Writer) error {
	r, err := o.join(line, stdin, lookUp)
	if err != nil {
		if o.json {
			f := joinFault{Error: err.Error()}
			if e, ok := wrapped.Find[*pairing.Error](err); ok {
				f.Char = e.Char
			}
			return errors.Join(err, control.PrintJSON(stdout, f))
		}
		return err
	}
	if o.json {
		return control.PrintJSON(stdout, r)
	}
	r.print(stdout)
	return nil
}

// join stores the key first, so that the file never names one that is not
// there, and removes the former one last.
func (o options) join(text string, stdin io.Reader, lookUp func(host string) ([]netip.Addr, error)) (*joinReport, error) {
	line, err := readLine(text, stdin)
	if err != nil {
		return nil, err
	}
	p := config.Pairing{Name: o.name, Addresses: line.Addresses, Port: line.Port, Key: line.ID}
	if line.Host != "" {
		if p.Addresses, err = lookUp(line.Host); err != nil {
			return nil, err
		}
	}
	folder := keys.Folder(o.keysDir)
	var j *config.Joined
	_, missing := folder.Load(line.ID)
	stored := false
	err = o.rewrite(func(text string) (_ string, err error) {
		if j, err = config.Join(config.FileName, text, p); err != nil || o.check {
			return text, err
		}
		stored = true
		return j.Text, folder.Store(line.ID, line.Key)
	})
	if err != nil {
		if stored && missing != nil { // no section came to name it
			err = errors.Join(err, folder.Remove(line.ID))
		}
		return nil, fmt.Errorf("nothing is changed: %w", err)
	}
	r := &joinReport{
		Client: line.Client, Host: line.Host, Addresses: p.Addresses, Port: p.Port, Key: line.ID.String(),
		Section: j.Section, Added: j.Added, Changed: j.Changed, EnabledNow: j.EnabledNow,
		Enabled: j.Config.Enabled, Lines: len(j.Config.WANs), Check: o.check,
		Position: 1 + slices.IndexFunc(j.Config.Concentrators, func(c config.Concentrator) bool { return c.Name == j.Section }),
	}
	if j.Replaced != (credential.KeyID{}) {
		r.Replaced = j.Replaced.String()
	}
	if o.check {
		return r, nil
	}
	if j.Orphan {
		if err := folder.Remove(j.Replaced); err != nil {
			return nil, fmt.Errorf("paired, but the file of the former key stays: %w", err)
		}
	}
	r.Daemon = o.poke()
	return r, nil
}

// rewrite is config.Rewrite, but for --check, which needs no right to write.
func (o options) rewrite(change func(string) (string, error)) error {
	if !o.check {
		if err := os.MkdirAll(o.configDir, 0o755); err != nil {
			return err
		}
		return config.Rewrite(o.configDir, change)
	}
	text, err := config.ReadText(o.configDir)
	if err == nil {
		_, err = change(text)
	}
	return err
}

// poke makes the running daemon read the configuration.
func (o options) poke() string {
	_, err := control.Call(o.control(), "reload")
	switch {
	case err == nil:
		return "reloaded"
	case errors.Is(err, control.ErrNotRunning):
		return "not running"
	}
	return err.Error()
}

// readLine reads the pairing line, "-" from stdin.
func readLine(text string, stdin io.Reader) (pairing.Line, error) {
	if text == "-" {
		b, err := readInput(stdin)
		if err != nil {
			return pairing.Line{}, fmt.Errorf("read the pairing line: %w", err)
		}
		text = string(b)
	}
	return pairing.Parse(text)
}

// readInput reads all that stdin has, or from a terminal one line.
func readInput(stdin io.Reader) ([]byte, error) {
	in := io.LimitReader(stdin, 4*int64(pairing.MaxLen))
	f, ok := stdin.(*os.File)
	if !ok {
		return io.ReadAll(in)
	}
	if fi, err := f.Stat(); err != nil || fi.Mode()&os.ModeCharDevice == 0 {
		return io.ReadAll(in)
	}
	fmt.Fprint(os.Stderr, "Paste the tandem:// line and press Enter: ")
	b, err := bufio.NewReader(in).ReadBytes('\n')
	if err == io.EOF {
		err = nil
	}
	return b, err
}

// maxLookUp is how many addresses of a host name are used, as many as a section
// may have.
const maxLookUp = pairing.MaxAddresses

// lookUp asks for the addresses of a concentrator, once: the daemon looks up no
// names, since the answer would decide whom the LAN's traffic goes to.
func lookUp(host string) ([]netip.Addr, error) {
	found, err := lookup.Resolver{}.Addresses(host)
	if err != nil {
		return nil, fmt.Errorf("the concentrator is not found, is this router online? %w", err)
	}
	var addrs []netip.Addr
	for _, a := range found {
		if !slices.Contains(addrs, a) && len(addrs) < maxLookUp {
			addrs = append(addrs, a)
		}
	}
	return addrs, nil
}

func (r *joinReport) print(w io.Writer) {
	say := func(done, would string, args ...any) {
		if r.Check {
			done = would
		}
		fmt.Fprintf(w, done+"\n", args...)
	}
	var where []string
	for _, a := range r.Addresses {
		where = append(where, netip.AddrPortFrom(a, r.Port).String())
	}
	fmt.Fprintf(w, "concentrator at %s, which knows this router as %q by key %s\n", strings.Join(where, ", "), r.Client, r.Key)
	switch {
	case r.Added:
		say("section concentrator %q added", "would add section concentrator %q", r.Section)
	case r.Changed:
		say("section concentrator %q changed", "would change section concentrator %q", r.Section)
	default:
		fmt.Fprintf(w, "section concentrator %q says all of this already\n", r.Section)
	}
	if r.Replaced != "" {
		say("key %s replaced", "would replace key %s", r.Replaced)
	}
	if r.Position > 1 {
		fmt.Fprintf(w, "it is number %d in order of preference: the order in the file\n", r.Position)
	}
	switch {
	case r.EnabledNow:
		say("Tandem is switched on (option enabled)", "would switch Tandem on (option enabled)")
	case !r.Enabled:
		fmt.Fprintln(w, "Tandem stays switched off; to switch it on: uci set tandem.main.enabled=1; uci commit tandem")
	}
	if r.Lines == 0 {
		fmt.Fprintln(w, "no section wan names an access line yet")
	}
	switch r.Daemon {
	case "":
	case "reloaded":
		fmt.Fprintln(w, "the running daemon uses it now")
	case "not running":
		fmt.Fprintln(w, "the daemon is not running; to start it: service tandem restart")
	default:
		fmt.Fprintln(w, "the running daemon did not take it:", r.Daemon)
	}
}
