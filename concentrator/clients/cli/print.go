package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"tandem/concentrator/clients"
	"tandem/concentrator/limits"
)

// shown is a client in JSON, without its secrets.
type shown struct {
	*clients.Client
	Month *limits.Volume `json:"month,omitempty"`
}

func (c *command) shown(client *clients.Client) shown {
	s := shown{Client: client}
	if c.Volume != nil {
		if v, ok := c.Volume(client.Name); ok {
			s.Month = &v
		}
	}
	return s
}

func (c *command) encode(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printLine prints the newest key's pairing line.
func (c *command) printLine(client *clients.Client) error {
	if c.Line == nil {
		return errors.New("no pairing line can be made")
	}
	key := client.Keys[len(client.Keys)-1]
	line, err := c.Line(client.Name, key)
	if err != nil {
		if c.verb != "show" {
			err = fmt.Errorf("client %q is stored, but has no pairing line: %w", client.Name, err)
		}
		return err
	}
	if c.json {
		return c.encode(struct {
			Name string        `json:"name"`
			Key  clients.KeyID `json:"key"`
			Line string        `json:"line"`
		}{client.Name, key.ID, line})
	}
	if c.Present != nil {
		err = c.Present(c.stdout, line)
	} else {
		_, err = fmt.Fprintln(c.stdout, line)
	}
	fmt.Fprintln(c.stderr, "The line holds a secret key: whoever has it can use the concentrator as this client.")
	if len(client.Keys) > 1 {
		fmt.Fprintln(c.stderr, "The key in use stays valid until the client has used this one.")
	}
	return err
}

func (c *command) printRemoved(*clients.Client) error {
	if c.json {
		return c.encode(map[string]string{"removed": c.name})
	}
	_, err := fmt.Fprintf(c.stdout, "client %q removed\n", c.name)
	return err
}

// list prints all clients. Those that cannot be read make it fail, in the end.
func (c *command) list() error {
	all, bad, err := c.Store.List()
	if err != nil {
		return err
	}
	if c.json {
		out := struct {
			Clients  []shown           `json:"clients"`
			Problems []clients.Problem `json:"problems"`
		}{[]shown{}, bad}
		for _, client := range all {
			out.Clients = append(out.Clients, c.shown(client))
		}
		if out.Problems == nil {
			out.Problems = []clients.Problem{}
		}
		err = c.encode(out)
	} else if len(all) > 0 {
		w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tSTATE\tADDED\tLIMITS\tTHIS MONTH\tNOTE")
		for _, client := range all {
			s := c.shown(client)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", client.Name, state(client), date(client.Created),
				dash(strings.Join(limitWords(client.Limits), ", ")), month(s.Month), client.Note)
		}
		err = w.Flush()
	} else if len(bad) == 0 {
		fmt.Fprintln(c.stderr, "There are no clients yet; tandem-concentrator client add NAME makes one.")
	}
	for _, p := range bad {
		err = errors.Join(err, errors.New(p.Reason))
	}
	return err
}

func (c *command) printClient(client *clients.Client) error {
	s := c.shown(client)
	if c.json {
		return c.encode(s)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	row := func(what, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", what, value)
		}
	}
	row("name", client.Name)
	row("state", state(client))
	row("note", client.Note)
	row("added", date(client.Created))
	for i, k := range client.Keys {
		what := "key"
		if i > 0 {
			what = "next key"
		}
		used := "never used"
		if !k.FirstUsed.IsZero() {
			used = "first used " + date(k.FirstUsed)
		}
		row(what, fmt.Sprintf("%s, made %s, %s", k.ID, date(k.Created), used))
	}
	row("limits", dash(strings.Join(limitWords(client.Limits), ", ")))
	if s.Month != nil {
		row("this month", fmt.Sprintf("%s up, %s down, since %s", size(s.Month.Up), size(s.Month.Down), date(s.Month.Start)))
	}
	row("allow", prefixWords(client.Allow))
	row("deny", prefixWords(client.Deny))
	if len(client.AllowPorts) > 0 {
		row("allow ports", strings.Trim(fmt.Sprint(client.AllowPorts), "[]"))
	}
	row("source", string(client.Source))
	row("prefixes", prefixWords(client.Prefixes))
	for _, f := range client.Forwards {
		to := "where the client wants"
		if f.To.IsValid() {
			to = "to " + f.To.String()
		}
		row("forward", f.Ports.String()+" "+to)
	}
	return w.Flush()
}

func state(c *clients.Client) string {
	switch {
	case !c.Enabled:
		return "disabled"
	case len(c.Keys) > 1:
		return "rotating"
	case c.Keys[0].FirstUsed.IsZero():
		return "new"
	}
	return "enabled"
}

func limitWords(l limits.Limits) (words []string) {
	add := func(set bool, format string, args ...any) {
		if set {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(l.Connections > 0, "%d connections", l.Connections)
	add(l.NewPerSecond > 0, "%d new/s", l.NewPerSecond)
	add(l.Up > 0, "%g Mbit/s up", float64(l.Up)/1e6)
	add(l.Down > 0, "%g Mbit/s down", float64(l.Down)/1e6)
	add(l.MonthlyBytes > 0, "%s a month", size(l.MonthlyBytes))
	add(l.ResetDay > 1, "month starts on day %d", l.ResetDay)
	return words
}

func prefixWords(list []netip.Prefix) string {
	var words []string
	for _, p := range list {
		words = append(words, p.String())
	}
	return strings.Join(words, ", ")
}

func month(v *limits.Volume) string {
	if v == nil {
		return "-"
	}
	return size(v.Up + v.Down)
}

// size is a number of bytes in units of 1000.
func size(n int64) string {
	v, unit := float64(n), ""
	for _, u := range units {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, u.letter
	}
	return fmt.Sprintf("%.3g %sB", v, unit)
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
