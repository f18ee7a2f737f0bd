package main

import (
	"regexp"
	"strings"
)

var (
	bold = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	link = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	code = regexp.MustCompile("`[^`]+`")
)

// inline writes running text: `code` and **bold** in bold, links as their
// text.
func inline(s string) string {
	var b strings.Builder
	for {
		at := code.FindStringIndex(s)
		if at == nil {
			break
		}
		b.WriteString(prose(s[:at[0]]))
		b.WriteString(`\fB` + escape(s[at[0]+1:at[1]-1]) + `\fR`)
		s = s[at[1]:]
	}
	b.WriteString(prose(s))
	return guard(b.String())
}

func prose(s string) string {
	s = escape(link.ReplaceAllString(s, "$1"))
	return bold.ReplaceAllString(s, `\fB$1\fR`)
}

// plain writes a line of code as it is.
func plain(s string) string { return guard(escape(s)) }

var special = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

func escape(s string) string { return special.Replace(s) }

// guard keeps a line from being taken for a request.
func guard(s string) string {
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		return `\&` + s
	}
	return s
}
