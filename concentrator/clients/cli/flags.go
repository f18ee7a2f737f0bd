package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"tandem/concentrator/clients"
	"tandem/shared/reverse"
)

var errHelp = flag.ErrHelp

// parse reads the arguments behind a command's name. Flags may stand before
// and after the client's name.
func parse(verb string, args []string) (*command, error) {
	switch verb {
	case "forward":
		return parseForward(args)
	case "source":
		return parseSource(args)
	}
	c := &command{verb: verb}
	fs := flag.NewFlagSet(verb, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&c.json, "json", false, "")
	var changes []func(*clients.Client)
	named := true
	switch verb {
	case "add", "set":
		changeFlags(fs, func(f func(*clients.Client)) { changes = append(changes, f) })
	case "show":
		fs.BoolVar(&c.line, "line", false, "")
	case "rotate":
		fs.BoolVar(&c.now, "now", false, "")
	case "list":
		named = false
	case "enable", "disable", "remove":
	default:
		return nil, fmt.Errorf("unknown command %q", verb)
	}
	names, err := words(fs, args)
	if err != nil {
		return nil, err
	}
	switch {
	case !named && len(names) > 0:
		return nil, fmt.Errorf("unexpected argument %q", names[0])
	case named && len(names) == 0:
		return nil, errors.New("needs the name of a client")
	case len(names) > 1:
		return nil, fmt.Errorf("unexpected argument %q", names[1])
	case named:
		c.name = names[0]
		if err := clients.CheckName(c.name); err != nil && verb == "add" {
			return nil, err
		}
	}
	if verb == "set" && len(changes) == 0 {
		return nil, errors.New("nothing to set")
	}
	c.change = func(client *clients.Client) {
		for _, f := range changes {
			f(client)
		}
	}
	return c, nil
}

// parseForward reads "add NAME PORTS [TO]" or "remove NAME PORTS".
func parseForward(args []string) (*command, error) {
	c := &command{}
	fs := flag.NewFlagSet("forward", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&c.json, "json", false, "")
	said, err := words(fs, args)
	if err != nil {
		return nil, err
	}
	add := len(said) > 0 && said[0] == "add"
	switch {
	case len(said) == 0 || !add && said[0] != "remove":
		return nil, errors.New("forward: add or remove?")
	case len(said) < 3:
		return nil, fmt.Errorf("forward %s needs the name of a client and a port", said[0])
	case len(said) > 4 || len(said) > 3 && !add:
		return nil, fmt.Errorf("unexpected argument %q", said[len(said)-1])
	}
	c.verb, c.name = "forward "+said[0], said[1]
	if c.forward.Ports, err = reverse.ParsePorts(said[2]); err == nil && len(said) == 4 {
		if c.forward.To, err = netip.ParseAddrPort(said[3]); err != nil {
			err = fmt.Errorf("%q is not an address with a port, such as 192.168.1.20:22 or [fd00::20]:22", said[3])
		}
	}
	return c, err
}

// changeFlags defines the flags of add and set. Each that is given calls will
// with what it does.
func changeFlags(fs *flag.FlagSet, will func(func(*clients.Client))) {
	count := func(name string, set func(*clients.Client, int)) {
		fs.Func(name, "", func(s string) error {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 {
				return errors.New("not a number")
			}
			will(func(c *clients.Client) { set(c, n) })
			return nil
		})
	}
	rate := func(name string, set func(*clients.Client, int64)) {
		fs.Func(name, "", func(s string) error {
			mbit, err := strconv.ParseFloat(s, 64)
			if err != nil || !(mbit >= 0 && mbit <= 1e6) {
				return errors.New("not a rate in Mbit/s")
			}
			will(func(c *clients.Client) { set(c, int64(math.Round(mbit*1e6))) })
			return nil
		})
	}
	prefixes := func(name string, set func(*clients.Client, []netip.Prefix)) {
		fs.Func(name, "", func(s string) error {
			list, err := parsePrefixes(s)
			will(func(c *clients.Client) { set(c, list) })
			return err
		})
	}
	count("connections", func(c *clients.Client, n int) { c.Limits.Connections = n })
	count("new-per-second", func(c *clients.Client, n int) { c.Limits.NewPerSecond = n })
	count("reset-day", func(c *clients.Client, n int) { c.Limits.ResetDay = n })
	rate("up", func(c *clients.Client, r int64) { c.Limits.Up = r })
	rate("down", func(c *clients.Client, r int64) { c.Limits.Down = r })
	prefixes("allow", func(c *clients.Client, l []netip.Prefix) { c.Allow = l })
	prefixes("deny", func(c *clients.Client, l []netip.Prefix) { c.Deny = l })
	fs.Func("monthly", "", func(s string) error {
		n, err := parseBytes(s)
		will(func(c *clients.Client) { c.Limits.MonthlyBytes = n })
		return err
	})
	fs.Func("allow-ports", "", func(s string) error {
		var list []uint16
		for _, part := range fields(s) {
			p, err := strconv.ParseUint(part, 10, 16)
			if err != nil || p == 0 {
				return fmt.Errorf("%q is not a port", part)
			}
			list = append(list, uint16(p))
		}
		will(func(c *clients.Client) { c.AllowPorts = list })
		return nil
	})
	fs.Func("note", "", func(s string) error {
		will(func(c *clients.Client) { c.Note = s })
		return nil
	})
}

// words returns the arguments that are no flags. Flags may stand before, between
// and after them.
func words(fs *flag.FlagSet, args []string) (list []string, err error) {
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if args = fs.Args(); len(args) > 0 {
			list, args = append(list, args[0]), args[1:]
		}
	}
	return list, nil
}

// parsePrefixes reads prefixes and addresses, comma-separated.
func parsePrefixes(s string) (list []netip.Prefix, err error) {
	for _, part := range fields(s) {
		p, err := clients.ParsePrefix(part)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

var units = []struct {
	letter string
	power  int
}{{"k", 1}, {"M", 2}, {"G", 3}, {"T", 4}, {"P", 5}}

// parseBytes reads "500", "1.5T" (of 1000) or "500Gi" (of 1024), with or
// without a final B.
func parseBytes(s string) (int64, error) {
	number, base, power := strings.TrimSuffix(s, "B"), 1000.0, 0
	if n, ok := strings.CutSuffix(number, "i"); ok {
		number, base = n, 1024
	}
	for _, u := range units {
		if n, ok := strings.CutSuffix(number, u.letter); ok {
			number, power = n, u.power
		} else if n, ok := strings.CutSuffix(number, strings.ToUpper(u.letter)); ok {
			number, power = n, u.power
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	v = math.Round(v * math.Pow(base, float64(power)))
	if err != nil || power == 0 && base != 1000 || !(v >= 0 && v <= 1<<60) {
		return 0, errors.New("not a number of bytes, such as 500G")
	}
	return int64(v), nil
}
