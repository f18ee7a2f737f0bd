package cli

import (
	"errors"
	"fmt"
	"strings"
)

// ErrHelp: the arguments ask for help.
var ErrHelp = errors.New("help requested")

// Flags are a command line's, as package flag has them (-name or --name, with
// =value or the value behind; "--" ends them) in a tenth of its code: there are
// only texts and switches.
type Flags struct {
	texts    map[string]*string
	switches map[string]*bool
}

// String declares a flag that takes a text, which is put into to; to has the
// default until then.
func (f *Flags) String(name string, to *string) {
	if f.texts == nil {
		f.texts = make(map[string]*string)
	}
	f.texts[name] = to
}

// Switch declares a flag that is on where it is given.
func (f *Flags) Switch(name string, to *bool) {
	if f.switches == nil {
		f.switches = make(map[string]*bool)
	}
	f.switches[name] = to
}

// Parse reads the flags before the first argument that is none, and returns the
// arguments from there.
func (f *Flags) Parse(args []string) (rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		if len(arg) < 2 || arg[0] != '-' {
			return args, nil
		}
		args = args[1:]
		if arg == "--" {
			return args, nil
		}
		name, value, given := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if to := f.texts[name]; to != nil {
			if !given {
				if len(args) == 0 {
					return args, fmt.Errorf("flag needs an argument: -%s", name)
				}
				value, args = args[0], args[1:]
			}
			*to = value
			continue
		}
		to := f.switches[name]
		switch {
		case to == nil && (name == "help" || name == "h"):
			return args, ErrHelp
		case to == nil:
			return args, fmt.Errorf("flag provided but not defined: -%s", name)
		case !given || value == "true" || value == "1":
			*to = true
		case value == "false" || value == "0":
			*to = false
		default:
			return args, fmt.Errorf("invalid value %q for flag -%s: true or false", value, name)
		}
	}
	return args, nil
}
