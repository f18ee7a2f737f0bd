package house

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	labnet "tandem/lab/net"
)

func (h *House) concentratorFile() string { return filepath.Join(h.Dir, "concentrator.toml") }
func (h *House) cpeDir() string           { return filepath.Join(h.Dir, "config") }

// WriteConcentrator writes the concentrator's configuration; top and tables are
// added. With the option ByAddress the lines' own addresses are its client; with
// OnPath tables begin inside of [on_path].
func (h *House) WriteConcentrator(top, tables string) error {
	if h.options.ByAddress {
		tables = "[[client]]\nname = \"house\"\nsources = [\"198.51.100.0/24\", \"2001:db8::/32\"]\n\n" + tables
	}
	v4, v6 := h.concentrator()
	if h.options.OnPath {
		tables = fmt.Sprintf("[on_path]\nenabled = true\ninterfaces = [\"%s0\"]\nsources = [\"198.51.100.0/24\", \"2001:db8::/32\"]\nannounce = [\"%s:5128\", \"[%s]:5128\"]\n%s\n",
			h.Spec().WANs[0].Name, v4, v6, tables)
	}
	text := fmt.Sprintf(`listen = ["%s:5124", "[%s]:5124"]
control = %q
mark = 0x20000000
state = %q
advertise = ["%[1]s"]
%[5]s

%[6]s
`, v4, v6, filepath.Join(h.Dir, "concentrator.sock"), filepath.Join(h.Dir, "state"), top, tables)
	return os.WriteFile(h.concentratorFile(), []byte(text), 0o600)
}

// Addresses of the concentrator.
const (
	Concentrator4 = "203.0.113.1"
	Concentrator6 = "2001:db8:f::1"
)

// WriteCPE writes the CPE's UCI file: both lines, the concentrator, the LAN
// hosts that bypass; main and sections are added. The concentrator's section
// names the house's key as soon as it is paired; before, there is no section.
func (h *House) WriteCPE(main, sections string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "config tandem 'main'\n\toption enabled '1'\n\tlist lan 'lan'\n%s\n", main)
	if h.options.OnPath {
		fmt.Fprintf(&b, "config concentrator '%s'\n\tlist address '%s'\n\toption mode 'on-path'\n\n", Section, labnet.Edge().V4)
	} else if h.options.ByAddress || h.Key != "" {
		fmt.Fprintf(&b, "config concentrator '%s'\n\tlist address '%s'\n\toption key '%s'\n\n", Section, Concentrator4, h.Key)
	}
	for i, w := range h.Spec().WANs {
		role := "secondary"
		if i == 0 {
			role = "primary"
		}
		fmt.Fprintf(&b, "config wan '%s'\n\toption device '%s'\n\toption role '%s'\n%s\n", w.Name, w.Name, role, h.options.WANOptions[w.Name])
	}
	fmt.Fprintf(&b, "config bypass\n\tlist host '%s'\n\tlist host '%s'\n\tlist host '%s'\n\n%s\n", Direct4, Direct6, DirectLTE4, sections)
	if err := os.MkdirAll(h.cpeDir(), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.cpeDir(), "tandem"), []byte(b.String()), 0o600)
}
