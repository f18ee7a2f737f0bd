package config

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// position is a place in the file; the zero position is no place.
type position struct{ line, column int }

// places says where in text each key stands.
type places struct {
	text []byte
	at   map[string]uint32 // byte
}

// index finds where each key, table and array element stands. Keys are
// spelled "limits.max_pending" and "client[1].sources[0]". The file has been
// decoded before, so it is well-formed; what this walk does not find has the
// place of what it stands in.
func index(text []byte) places {
	x := indexer{places: places{text, make(map[string]uint32)}, tables: make(map[string]int)}
	x.p.Reset(text)
	table := ""
	for x.p.NextExpression() {
		switch e := x.p.Expression(); e.Kind {
		case unstable.Table:
			table = x.key("", e)
		case unstable.ArrayTable:
			name := x.key("", e)
			table = element(name, x.tables[name])
			x.tables[name]++
			x.at[table] = x.at[name]
		case unstable.KeyValue:
			x.keyValue(table, e)
		}
	}
	return x.places
}

// element names item i of a list.
func element(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// of returns the place of key, or of the nearest thing around it.
func (p places) of(key string) position {
	for key != "" {
		if at, ok := p.at[key]; ok {
			before := p.text[:at]
			return position{bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')}
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return position{}
}

type indexer struct {
	places
	p      unstable.Parser
	tables map[string]int // how many [[name]] so far
}

// key records and returns the full name of what n stands for. Matching keys
// to fields ignores case (as go-toml does), hence the lower case.
func (x *indexer) key(in string, n *unstable.Node) string {
	at, first := uint32(0), true
	for it := n.Key(); it.Next(); first = false {
		part := it.Node()
		if first {
			at = part.Raw.Offset
		}
		if in != "" {
			in += "."
		}
		in += strings.ToLower(string(part.Data))
	}
	x.at[in] = at
	return in
}

func (x *indexer) keyValue(in string, n *unstable.Node) {
	x.value(x.key(in, n), n.Value())
}

func (x *indexer) value(name string, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			x.keyValue(name, it.Node())
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			item, child := element(name, i), it.Node()
			if child.Raw.Length > 0 { // tables and lists have no place of their own
				x.at[item] = child.Raw.Offset
			}
			x.value(item, child)
		}
	}
}
