package house

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Second4 is the address of the second concentrator.
const Second4 = "203.0.113.2"

// StartSecond starts another concentrator beside the first one and pairs the
// CPE with it. The CPE uses it where the first one cannot be used.
func (h *House) StartSecond(ctx context.Context) (*Daemon, error) {
	core, base := h.Host("core"), filepath.Join(h.Dir, "second")
	if out, err := core.Command(ctx, "ip", "addr", "add", Second4+"/24", "dev", "net").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("address of the second concentrator: %w: %s", err, out)
	}
	file := base + ".toml"
	text := fmt.Sprintf("listen = [\"%s:5124\"]\ncontrol = %q\nmark = 0x20000000\nstate = %q\nadvertise = [%[1]q]\n",
		Second4, base+".sock", base+"-state")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	d, err := start(ctx, core, base, h.logFile("second"), h.concentratorProgram(), "run", "--config", file)
	if d != nil {
		h.others = append(h.others, d)
	}
	if err != nil {
		return d, err
	}
	line, err := output(ctx, core, "", []string{h.concentratorProgram(), "client", "--config", file, "add", "house"})
	if err != nil {
		return d, err
	}
	if _, err := h.CPECommand(ctx, strings.TrimSpace(line)+"\n", "join", "--name", "second"); err != nil {
		return d, err
	}
	return d, h.ReloadCPE(ctx)
}
