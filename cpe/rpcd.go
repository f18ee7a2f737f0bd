package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"tandem/cpe/config"
	"tandem/shared/cli"
	"tandem/shared/control"
	"tandem/shared/nocmp"
	"tandem/shared/pairing"
	"tandem/shared/program"
	"tandem/shared/smalljson"
	"tandem/shared/wrapped"
)

// This file is the other end of the LuCI pages: rpcd calls a plugin with "list"
// or "call METHOD", arguments as JSON on standard input, and takes JSON from
// standard output. The plugin (luci-app/root/usr/libexec/rpcd/luci.tandem) is
// one exec of "tandem-cpe rpcd".

// rpcArgs holds the arguments of all methods.
type rpcArgs struct {
	_     nocmp.Field
	Flows int    `json:"flows"` // status: how many connections at most; 0: none
	Line  string `json:"line"`  // join: the pairing line
}

// rpcFault is the answer of a method that failed. It is an answer, not an exit
// status, because rpcd keeps nothing else for the page to show.
type rpcFault struct {
	_     nocmp.Field
	Error string `json:"error"`
	Kind  string `json:"kind"`           // not-running, no-answer or failed
	Char  int    `json:"char,omitempty"` // join: the first character that is wrong, from 1 on
}

// rpcMethods are the signatures that rpcd checks arguments against.
var rpcMethods = map[string]map[string]any{
	"status":   {"flows": 0},
	"schema":   {},
	"validate": {},
	"progress": {},
	"join":     {"line": "string"},
	"check":    {},
}

// maxRPCArgs bounds what is read as arguments.
const maxRPCArgs = 64 << 10

// rpcd runs one call; args are those behind the word rpcd: "list", or "call" and
// the method, then flags.
func rpcd(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var o options
	var flags cli.Flags
	o.folders(&flags)
	words := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") })
	if words < 0 {
		words = len(args)
	}
	if rest, err := flags.Parse(args[words:]); err != nil || len(rest) > 0 {
		args = nil
	}
	args = args[:min(words, len(args))]
	switch {
	case len(args) == 1 && args[0] == checking:
		return o.runCheck()
	case len(args) == 1 && args[0] == "list":
		_ = control.PrintJSON(stdout, rpcMethods)
		return cli.Done
	case len(args) == 2 && args[0] == "call" && rpcMethods[args[1]] != nil:
		answer, err := o.rpc(args[1], stdin)
		if err != nil {
			answer = newFault(err)
		}
		text, err := smalljson.Marshal(answer)
		if err == nil {
			_, err = stdout.Write(append(text, '\n'))
		}
		if err != nil {
			fmt.Fprintln(stderr, "tandem-cpe:", err)
			return cli.Failed
		}
		return cli.Done
	}
	fmt.Fprintln(stderr, "tandem-cpe rpcd: list, or call with a method that list shows")
	return cli.Misused
}

func newFault(err error) rpcFault {
	f := rpcFault{Error: err.Error(), Kind: "failed"}
	line, misspelt := wrapped.Find[*pairing.Error](err)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		f.Kind = "not-running"
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.Kind = "no-answer"
	case misspelt:
		f.Error, f.Char = line.What, line.Char
	}
	return f
}

func (o options) rpc(method string, stdin io.Reader) (any, error) {
	var args rpcArgs
	text, err := io.ReadAll(io.LimitReader(stdin, maxRPCArgs))
	if err != nil {
		return nil, err
	}
	// What cannot be read is not quoted: it may hold a key.
	if len(text) > 0 && smalljson.Unmarshal(text, &args) != nil {
		return nil, errors.New("the arguments are not what this method takes")
	}
	switch method {
	case "status":
		if args.Flows > 0 {
			return o.handOn("status", shown, strconv.Itoa(args.Flows))
		}
		return o.handOn("status")
	case "schema":
		return map[string]any{"version": version, "sections": config.Describe()}, nil
	case "validate":
		return o.verdict(), nil
	case "join":
		joined, err := o.join(args.Line, nil, lookUp)
		if err == nil {
			tellProcd()
		}
		return joined, err
	case "check":
		// rpcd would make nothing of an empty object.
		return map[string]bool{"running": true}, o.startCheck()
	}
	return o.progress()
}

// handOn asks the daemon and hands its answer on as it is, if it is JSON. The
// configuration is read only where nobody answers on the usual socket: a page
// that is open asks every few seconds.
func (o options) handOn(request ...string) (any, error) {
	path := o.controlPath
	if path == "" {
		path = config.Default().Control
	}
	answer, err := control.Call(path, request...)
	if errors.Is(err, control.ErrNotRunning) {
		if other := o.control(); other != path {
			answer, err = control.Call(other, request...)
		}
	}
	if err == nil && !smalljson.Valid(answer) {
		err = errors.New("the daemon answers something else than expected: is its version another one?")
	}
	return smalljson.Raw(answer), err
}

// tellProcd makes procd look at the configuration, as LuCI's Apply does: pairing
// may be the only change, and the daemon may not be running yet. Elsewhere than
// on OpenWrt there is no such program, and nothing to tell.
func tellProcd() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _, _ = program.Run(ctx, "", "reload_config")
}

// verdict says what the daemon makes of the configuration that is saved.
func (o options) verdict() map[string]any {
	if _, _, err := o.load(); err != nil {
		return map[string]any{"valid": false, "reason": err.Error()}
	}
	return map[string]any{"valid": true}
}
