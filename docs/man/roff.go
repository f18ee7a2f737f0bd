package main

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	title  = regexp.MustCompile(`^# ([a-z-]+)\((\d)\)$`)
	number = regexp.MustCompile(`^\d+\. `)
)

// Roff returns the manual page for a page of Markdown.
func Roff(text string) (string, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	m := title.FindStringSubmatch(lines[0])
	if m == nil {
		return "", fmt.Errorf("line 1: %q is not \"# name(section)\"", lines[0])
	}
	p := &page{}
	// tbl draws the tables.
	p.line(`'\" t`)
	p.line(fmt.Sprintf(".TH %s %s \"\" Tandem", strings.ToUpper(m[1]), m[2]))
	p.line(".nh")
	p.line(".ad l")
	for i := 1; i < len(lines); {
		n, err := p.block(lines[i:])
		if err != nil {
			return "", fmt.Errorf("line %d: %w", i+1, err)
		}
		i += n
	}
	return p.out.String(), nil
}

type page struct {
	out     strings.Builder
	section string
}

func (p *page) line(s string) { p.out.WriteString(s + "\n") }

// block writes the block at the start of lines and returns its length.
func (p *page) block(lines []string) (int, error) {
	first := lines[0]
	switch {
	case first == "":
		return 1, nil
	case strings.HasPrefix(first, "### "):
		p.line(".SS " + inline(first[4:]))
		return 1, nil
	case strings.HasPrefix(first, "## "):
		p.section = first[3:]
		p.line(".SH " + inline(p.section))
		return 1, nil
	case strings.HasPrefix(first, "#"):
		return 0, fmt.Errorf("a second title: %q", first)
	case strings.HasPrefix(first, "    "):
		n := count(lines, func(s string) bool { return strings.HasPrefix(s, "    ") })
		p.code(lines[:n], 4)
		return n, nil
	case strings.HasPrefix(first, "```"):
		n := count(lines[1:], func(s string) bool { return s != "```" })
		if n == len(lines)-1 {
			return 0, fmt.Errorf("a code block without an end")
		}
		p.code(lines[1:n+1], 0)
		return n + 2, nil
	case strings.HasPrefix(first, "|"):
		n := count(lines, func(s string) bool { return strings.HasPrefix(s, "|") })
		return n, p.table(lines[:n])
	case strings.HasPrefix(first, "- "):
		p.line(".IP \\(bu 3")
		return p.text(lines, first[2:])
	case number.MatchString(first):
		mark := number.FindString(first)
		p.line(".IP " + strings.TrimSpace(mark) + " 3")
		return p.text(lines, first[len(mark):])
	}
	if name, what, found := strings.Cut(first, ": "); found && p.section == "NAME" {
		p.line(inline(name) + ` \- ` + inline(what)) // as apropos(1) wants it
		return 1, nil
	}
	p.line(".PP")
	return p.text(lines, first)
}

// text writes first and the lines that go on with it.
func (p *page) text(lines []string, first string) (int, error) {
	n := 1 + count(lines[1:], func(s string) bool {
		return s != "" && !strings.HasPrefix(s, "- ") && !strings.HasPrefix(s, "|") && !strings.HasPrefix(s, "#") &&
			!strings.HasPrefix(s, "```") && !number.MatchString(s)
	})
	p.line(inline(first))
	for _, s := range lines[1:n] {
		p.line(inline(strings.TrimSpace(s)))
	}
	return n, nil
}

func (p *page) code(lines []string, indent int) {
	p.line(".PP\n.RS 4\n.nf")
	for _, s := range lines {
		p.line(plain(s[min(indent, len(s)):]))
	}
	p.line(".fi\n.RE")
}

func (p *page) table(lines []string) error {
	if len(lines) < 2 || !strings.HasPrefix(lines[1], "|---") {
		return fmt.Errorf("a table needs a line of dashes below its head")
	}
	columns := len(cells(lines[0]))
	p.line(".TS\ntab(\x01);")
	format := strings.TrimSpace(strings.Repeat("lb ", columns))
	// The last column takes what is left of the line.
	p.line(format + "\n" + strings.TrimSpace(strings.Repeat("l ", columns-1)) + " lx.")
	for i, s := range lines {
		if i == 1 {
			continue
		}
		row := cells(s)
		if len(row) != columns {
			return fmt.Errorf("table row %q has %d cells, not %d", s, len(row), columns)
		}
		for j, c := range row {
			row[j] = "T{\n" + inline(strings.TrimSpace(c)) + "\nT}"
		}
		p.line(strings.Join(row, "\x01"))
	}
	p.line(".TE")
	return nil
}

func cells(row string) []string {
	row = strings.ReplaceAll(strings.Trim(strings.TrimSpace(row), "|"), `\|`, "\x02")
	out := strings.Split(row, "|")
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], "\x02", "|")
	}
	return out
}

func count(lines []string, while func(string) bool) int {
	for i, s := range lines {
		if !while(s) {
			return i
		}
	}
	return len(lines)
}
