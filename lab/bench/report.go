package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Report is everything that one run measured.
type Report struct {
	Date     string         `json:"date"`
	Machine  string         `json:"machine"`
	Sections map[string]any `json:"sections"`

	pieces []piece
}

// piece is one section of the written report.
type piece struct {
	name, text string
	plots      map[string]string
}

func newReport() *Report {
	return &Report{Date: time.Now().Format("2006-01-02"), Machine: Machine(), Sections: map[string]any{}}
}

// add adds a section; load is what the machine had to do besides, when it began.
func (r *Report) add(s Section, o Outcome, load string) {
	r.Sections[s.Name] = o.Figures
	text := fmt.Sprintf("## %s\n\n%s; %s; load average before: %s.\n\n%s\n", s.Title, r.Date, r.Machine, load, strings.TrimSpace(o.Markdown))
	for name := range o.Plots {
		text += fmt.Sprintf("\n![%s](performance-%s.svg)\n", name, name)
	}
	r.pieces = append(r.pieces, piece{s.Name, text, o.Plots})
}

// Markdown writes what this run measured.
func (r *Report) Markdown(w io.Writer) {
	for _, p := range r.pieces {
		fmt.Fprintf(w, "%s\n", p.text)
	}
}

const preamble = `# Figures

Written by ` + "`make bench`" + `, each section with its date and machine. Both ends, hosts, servers and the emulated lines share that machine, so compare columns, not machines.
`

// Save writes the report to a file, with plots beside it. Sections that this
// run did not measure stay as they are there.
func (r *Report) Save(file string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	pieces := map[string]string{}
	for _, s := range Sections {
		begin, end := marks(s.Name)
		if _, rest, ok := strings.Cut(string(old), begin); ok {
			pieces[s.Name], _, _ = strings.Cut(rest, end)
		}
	}
	for _, p := range r.pieces {
		pieces[p.name] = p.text
		for name, svg := range p.plots {
			plot := filepath.Join(filepath.Dir(file), "performance-"+name+".svg")
			if err := os.WriteFile(plot, []byte(svg), 0o644); err != nil {
				return err
			}
		}
	}
	var b strings.Builder
	b.WriteString(preamble)
	for _, s := range Sections {
		if text, ok := pieces[s.Name]; ok {
			begin, end := marks(s.Name)
			b.WriteString("\n" + begin + text + end)
		}
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// marks enclose a section in the file.
func marks(name string) (begin, end string) {
	return "<!-- begin " + name + " -->\n", "<!-- end " + name + " -->\n"
}

// SaveJSON writes the figures.
func (r *Report) SaveJSON(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// LoadAverage is that of the last minute.
func LoadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(text), " ")
	return load
}

// Machine says what this ran on.
func Machine() string {
	cpu := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	var u unix.Utsname
	_ = unix.Uname(&u)
	return fmt.Sprintf("%d × %s, Linux %s, %s", runtime.NumCPU(), cpu, unix.ByteSliceToString(u.Release[:]), runtime.Version())
}
