package cli

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"tandem/concentrator/clients"
	"tandem/concentrator/limits"
	"tandem/concentrator/source"
	"tandem/shared/control"
	"tandem/shared/reverse"
)

// Deps is what the commands work with.
type Deps struct {
	Store clients.Editor
	// Line makes the pairing line of a client's key.
	Line func(name string, key clients.Key) (string, error)
	// Present prints a pairing line for a person, with a QR code on a terminal.
	// nil: the line alone.
	Present func(w io.Writer, line string) error
	// Poke makes the running daemon read the store again. It fails with
	// control.ErrNotRunning where none runs.
	Poke func() error
	// MayForward says why ports cannot be given to clients; nil: all can.
	MayForward func(reverse.Ports) error
	// SourceLacks says what this host lacks for a client's source; nil: nothing.
	SourceLacks func(*clients.Client) []string
	// Volume says what a client has moved this month; nil, or false: unknown.
	Volume func(name string) (limits.Volume, bool)
}

// Exit codes.
const (
	done   = 0
	failed = 1
	wrong  = 2 // wrong usage
)

const usage = `usage: tandem-concentrator client COMMAND [NAME] [FLAGS]

commands
  add NAME      make a client and print its pairing line
  list          show all clients
  show NAME     show one client; --line: print its pairing line again
  set NAME      change limits, destinations or the note
  disable NAME  refuse the client until it is enabled
  enable NAME   take it again
  rotate NAME   print a new pairing line; the old key is valid until the client
                has used the new one, or with --now not any more
  remove NAME   delete the client and its keys
  forward add NAME PORT[-PORT] [ADDRESS:PORT]
                let connections from outside to these ports of this host in to
                the client: to a LAN host and the ports from that one on, or to
                where the client's own "config redirect" says
  forward remove NAME PORT[-PORT]
  source NAME MODE [--prefix PREFIXES]
                from which address servers see the client: shared, preserved
                (the LAN host's if it lies in the client's PREFIXES, else the
                router's), prefix (LAN hosts' IPv6 addresses, translated into
                PREFIXES), or default, as the configuration says for all

flags of add and set; 0, or "" for lists and the note, takes a limit away
  --connections N      at a time
  --new-per-second N   new connections a second
  --up MBIT            Mbit/s from the client
  --down MBIT          Mbit/s to the client
  --monthly BYTES      up and down together, such as 500G (of 1000) or 500Gi (of 1024)
  --reset-day DAY      of the month, 1 to 31
  --allow PREFIXES     destinations beyond what all clients may reach, comma-separated
  --deny PREFIXES      destinations refused
  --allow-ports PORTS  destination ports refused to others, such as 25
  --note TEXT

  --json               print JSON

exit status: 0 done, 1 failed, 2 wrong usage
`

// Command runs one of the commands; args come after "client". It returns the
// exit status. Errors never hold a key. What it works with is asked for when
// the command is known to be one, so that help needs no configuration.
func Command(args []string, stdout, stderr io.Writer, open func() (Deps, error)) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(stdout, usage)
		return done
	}
	complain := func(err error) {
		fmt.Fprintf(stderr, "tandem-concentrator client %s: %v\n", args[0], err)
	}
	c, err := parse(args[0], args[1:])
	switch {
	case errors.Is(err, errHelp):
		fmt.Fprint(stdout, usage)
		return done
	case err != nil:
		complain(fmt.Errorf("%w; see tandem-concentrator client help", err))
		return wrong
	}
	c.stdout, c.stderr = stdout, stderr
	if c.Deps, err = open(); err == nil {
		err = c.run()
	}
	if err != nil {
		complain(err)
		return failed
	}
	return done
}

// command is one command with its flags.
type command struct {
	Deps
	stdout, stderr io.Writer

	verb, name string
	json       bool
	line       bool // show
	now        bool // rotate
	forward    clients.Forward
	source     source.Mode
	prefixes   []netip.Prefix
	change     func(*clients.Client)
}

func (c *command) run() error {
	var client *clients.Client
	var err error
	print := c.printClient
	switch c.verb {
	case "list":
		return c.list()
	case "show":
		if client, err = c.Store.Show(c.name); err != nil {
			return err
		}
		if c.line {
			return c.printLine(client)
		}
		return c.printClient(client)
	case "add":
		fresh := clients.Client{Name: c.name}
		c.change(&fresh)
		client, err = c.Store.Add(fresh)
		print = c.printLine
	case "rotate":
		client, err = c.Store.Rotate(c.name, c.now)
		print = c.printLine
	case "set":
		client, err = c.update(c.change)
	case "enable":
		client, err = c.update(func(client *clients.Client) { client.Enabled = true })
	case "disable":
		client, err = c.update(func(client *clients.Client) { client.Enabled = false })
	case "forward add":
		if c.MayForward != nil {
			err = c.MayForward(c.forward.Ports)
		}
		if err == nil {
			client, err = c.Store.AddForward(c.name, c.forward)
		}
	case "forward remove":
		client, err = c.Store.RemoveForward(c.name, c.forward.Ports)
	case "source":
		client, err = c.Store.SetSource(c.name, c.source, c.prefixes)
		if err == nil && c.SourceLacks != nil {
			for _, w := range c.SourceLacks(client) {
				fmt.Fprintln(c.stderr, "warning:", w)
			}
		}
	case "remove":
		err = c.Store.Remove(c.name)
		print = c.printRemoved
	}
	if err != nil {
		return err
	}
	// The print comes first: it may be the only sight of a key.
	return errors.Join(print(client), c.tellDaemon())
}

func (c *command) update(change func(*clients.Client)) (*clients.Client, error) {
	return c.Store.Update(c.name, func(client *clients.Client) error {
		change(client)
		return nil
	})
}

func (c *command) tellDaemon() error {
	if c.Poke == nil {
		return nil
	}
	err := c.Poke()
	if errors.Is(err, control.ErrNotRunning) {
		fmt.Fprintln(c.stderr, "The daemon is not running; it takes the change when it starts.")
		return nil
	}
	if err != nil {
		return fmt.Errorf("the change is stored, but the daemon did not take it: %w", err)
	}
	return nil
}
