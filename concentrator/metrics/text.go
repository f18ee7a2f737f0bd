// Package metrics shows the daemon's counters to Prometheus, and whether it is
// well to load balancers, on one small HTTP server.
//
// The text format is written here: it takes these 60 lines, where the official
// client library brings a dozen modules into a program that faces the Internet.
package metrics

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Kind is a metric's type.
type Kind string

// The two kinds that are needed.
const (
	Counter Kind = "counter"
	Gauge   Kind = "gauge"
)

// Metric is one metric with its values.
type Metric struct {
	Name   string
	Kind   Kind
	Help   string
	Values []Value
}

// Value is one value of a metric.
type Value struct {
	Labels []Label
	Value  float64
}

// Label tells values of one metric apart.
type Label struct{ Name, Value string }

// One is a metric with a single value.
func One(name string, kind Kind, help string, value float64) Metric {
	return Metric{name, kind, help, []Value{{Value: value}}}
}

// Write writes metrics in Prometheus' text format, version 0.0.4.
func Write(w io.Writer, all []Metric) error {
	var b strings.Builder
	for _, m := range all {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", m.Name, helpEscape.Replace(m.Help), m.Name, m.Kind)
		for _, v := range m.Values {
			b.WriteString(m.Name)
			for i, l := range v.Labels {
				b.WriteByte("{,"[min(i, 1)])
				fmt.Fprintf(&b, `%s="%s"`, l.Name, labelEscape.Replace(l.Value))
			}
			if len(v.Labels) > 0 {
				b.WriteByte('}')
			}
			b.WriteByte(' ')
			b.WriteString(strconv.FormatFloat(v.Value, 'g', -1, 64))
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var (
	helpEscape  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)
