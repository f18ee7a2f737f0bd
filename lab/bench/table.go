package bench

import (
	"fmt"
	"strings"
)

// table is a Markdown table: a row for each rival, in order of the first set.
type table struct {
	columns []string
	rows    []string
	cells   map[string][]string
}

func newTable(columns ...string) *table {
	return &table{columns: columns, cells: map[string][]string{}}
}

func (t *table) add(row, format string, values ...any) {
	if _, ok := t.cells[row]; !ok {
		t.rows = append(t.rows, row)
	}
	t.cells[row] = append(t.cells[row], fmt.Sprintf(format, values...))
}

func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| |%s\n|%s\n", cellsOf(t.columns), strings.Repeat("---|", len(t.columns)+1))
	for _, row := range t.rows {
		name := row
		if row == "Tandem" {
			name = "**Tandem**"
		}
		fmt.Fprintf(&b, "| %s |%s\n", name, cellsOf(t.cells[row]))
	}
	return b.String()
}

func cellsOf(cells []string) string {
	var b strings.Builder
	for _, c := range cells {
		fmt.Fprintf(&b, " %s |", c)
	}
	return b.String()
}
