package house

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	labnet "tandem/lab/net"
)

// Section is the name of the concentrator's section in the CPE's UCI file.
const Section = "vm"

func (h *House) concentratorProgram() string {
	return filepath.Join(h.options.Binaries, "tandem-concentrator")
}

func (h *House) cpeProgram() string {
	if h.options.CPEProgram != "" {
		return h.options.CPEProgram
	}
	return filepath.Join(h.options.Binaries, "tandem-cpe")
}

// KeysDir is the folder of the CPE's secrets.
func (h *House) KeysDir() string { return filepath.Join(h.Dir, "keys") }

// StateDir is where the CPE keeps what lines have used of their quotas.
func (h *House) StateDir() string { return filepath.Join(h.Dir, "cpe-state") }

// cpeFlags make the CPE live in the house's folder.
func (h *House) cpeFlags() []string {
	return []string{"--config", h.cpeDir(), "--keys", h.KeysDir(), "--state", h.StateDir(), "--control", filepath.Join(h.Dir, "cpe.sock")}
}

// ClientCommand runs "tandem-concentrator client" and returns what it prints.
func (h *House) ClientCommand(ctx context.Context, args ...string) (string, error) {
	return output(ctx, h.ConcentratorHost(), "", append([]string{h.concentratorProgram(), "client", "--config", h.concentratorFile()}, args...))
}

// AddClient makes a client at the concentrator and returns its pairing line.
func (h *House) AddClient(ctx context.Context, name string) (line string, err error) {
	line, err = h.ClientCommand(ctx, "add", name)
	return strings.TrimSpace(line), err
}

// Join pairs the CPE by that line, as its user does.
func (h *House) Join(ctx context.Context, line string) error {
	out, err := h.CPECommand(ctx, line+"\n", "join", "--name", Section, "--json")
	if err != nil {
		return err
	}
	var joined struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal([]byte(out), &joined); err != nil || joined.Key == "" {
		return fmt.Errorf("join printed %q, no key: %v", out, err)
	}
	h.Key = joined.Key
	return nil
}

// CPECommand runs a command of tandem-cpe with that input and returns what it
// prints.
func (h *House) CPECommand(ctx context.Context, input string, args ...string) (string, error) {
	return output(ctx, h.Host("cpe"), input, append(append([]string{h.cpeProgram()}, args...), h.cpeFlags()...))
}

// output runs a program with that input and returns its standard output.
func output(ctx context.Context, host *labnet.Host, input string, args []string) (string, error) {
	cmd := host.Command(ctx, args[0], args[1:]...)
	var stderr strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", args[0], args[1], err, stderr.String())
	}
	return string(out), nil
}
