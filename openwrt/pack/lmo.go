package main

import (
	"encoding/binary"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// lmo turns a translation (.po, GNU gettext) into the form in which LuCI loads
// it: texts, each padded to 4 bytes; an index of (hash of the English text, number
// of plural forms, offset, length), ascending; and the offset of the index.
// Numbers are big-endian. See "LMO" in LuCI's wiki.
func lmo(po string) ([]byte, error) {
	messages, err := parsePO(po)
	if err != nil {
		return nil, err
	}
	type row struct{ key, value, offset, length uint32 }
	var rows []row
	var texts []byte
	add := func(key, value uint32, text string) {
		rows = append(rows, row{key, value, uint32(len(texts)), uint32(len(text))})
		texts = append(texts, text...)
		texts = append(texts, make([]byte, -len(texts)&3)...)
	}
	for _, m := range messages {
		switch {
		case m.fuzzy:
		case m.id == "": // the header: how plurals are chosen
			for _, line := range strings.Split(m.texts[0], "\n") {
				if rule, ok := strings.CutPrefix(line, "Plural-Forms: "); ok {
					add(0, 0, strings.TrimSpace(rule))
				}
			}
		case m.plural != "":
			for n, text := range m.texts {
				if text != "" {
					add(hash(m.key()+"\x02"+strconv.Itoa(n)), uint32(len(m.texts)), text)
				}
			}
		case m.texts[0] != "" && m.texts[0] != m.id:
			add(hash(m.key()), 1, m.texts[0])
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].key < rows[j].key })
	out := texts
	for _, r := range rows {
		for _, n := range []uint32{r.key, r.value, r.offset, r.length} {
			out = binary.BigEndian.AppendUint32(out, n)
		}
	}
	return binary.BigEndian.AppendUint32(out, uint32(len(texts))), nil
}

type message struct {
	context, id, plural string
	texts               []string // one, or one for each plural form
	fuzzy               bool
}

// key is what LuCI looks a message up by: white space counts once.
func (m message) key() string {
	id := strings.Join(strings.Fields(m.id), " ")
	if m.context != "" {
		return strings.Join(strings.Fields(m.context), " ") + "\x01" + id
	}
	return id
}

func parsePO(po string) ([]message, error) {
	var all []message
	var m message
	var into *string
	begun, fuzzy := false, false
	flush := func() {
		if begun && len(m.texts) > 0 {
			all = append(all, m)
		}
		m, begun, into = message{}, false, nil
	}
	for n, line := range strings.Split(po, "\n") {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '#':
			if len(m.texts) > 0 {
				flush()
			}
			fuzzy = fuzzy || strings.HasPrefix(line, "#,") && strings.Contains(line, "fuzzy")
			continue
		case word == "msgctxt" || word == "msgid" && m.context == "" || word == "msgid" && len(m.texts) > 0:
			flush()
			m.fuzzy, fuzzy, begun = fuzzy, false, true
			into = &m.id
			if word == "msgctxt" {
				into = &m.context
			}
		case word == "msgid":
			into = &m.id
		case word == "msgid_plural":
			into = &m.plural
		case strings.HasPrefix(word, "msgstr"):
			m.texts = append(m.texts, "")
			into = &m.texts[len(m.texts)-1]
		case line[0] == '"':
			rest = line
		default:
			return nil, fmt.Errorf("line %d: %q is no part of a translation", n+1, word)
		}
		text, err := strconv.Unquote(strings.TrimSpace(rest))
		if err != nil || into == nil {
			return nil, fmt.Errorf("line %d: want a quoted text", n+1)
		}
		*into += text
	}
	flush()
	return all, nil
}

// hash is Paul Hsieh's SuperFastHash, begun with the length, by which LuCI
// names texts.
func hash(s string) uint32 {
	if s == "" {
		return 0
	}
	h := uint32(len(s))
	pair := func(i int) uint32 { return uint32(s[i]) | uint32(s[i+1])<<8 }
	signed := func(i int) uint32 { return uint32(int32(int8(s[i]))) }
	i := 0
	for ; len(s)-i >= 4; i += 4 {
		h += pair(i)
		h = h<<16 ^ (pair(i+2)<<11 ^ h)
		h += h >> 11
	}
	switch len(s) - i {
	case 3:
		h += pair(i)
		h ^= h << 16
		h ^= signed(i+2) << 18
		h += h >> 11
	case 2:
		h += pair(i)
		h ^= h << 11
		h += h >> 17
	case 1:
		h += signed(i)
		h ^= h << 10
		h += h >> 1
	}
	h ^= h << 3
	h += h >> 5
	h ^= h << 4
	h += h >> 17
	h ^= h << 25
	h += h >> 6
	return h
}
