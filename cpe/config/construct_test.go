package config

import (
	"fmt"
	"strings"
	"testing"
)

// read is the guard and go-uci together, as Parse uses them.
func read(text string) ([]*section, error) {
	statements, err := lex("tandem", text)
	if err != nil {
		return nil, err
	}
	f := &faults{file: "tandem"}
	sections := structure(f, statements)
	if err := readValues(sections); err != nil {
		return nil, err
	}
	return sections, f.err()
}

// show writes sections on one line.
func show(sections []*section) string {
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "[%s %s", s.typ, s.name)
		for _, o := range s.options {
			sep := "="
			if o.list {
				sep = "+="
			}
			fmt.Fprintf(&b, " %s%s", o.name, sep)
			for i, v := range o.values {
				if i > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, "%q@%d", v.text, v.line)
			}
		}
		b.WriteString("]")
	}
	return b.String()
}

// What a UCI file can hold. Each "want" of a legal construct is what uci(1)
// shows for it (see uci_test.go); each "refused" names line and reason.
func TestConstructs(t *testing.T) {
	tests := constructs()
	if len(tests) < 60 {
		t.Fatalf("%d constructs, want at least 60", len(tests))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sections, err := read(tt.text)
			if tt.refused != "" {
				if err == nil || err.Error() != tt.refused {
					t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatalf("%q: %v", tt.text, err)
			}
			if got := show(sections); got != tt.want {
				t.Errorf("%q:\n got %s\nwant %s", tt.text, got, tt.want)
			}
		})
	}
}

func manyOptions(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "option a%d b\n", i)
	}
	return b.String()
}

type construct struct {
	name, text, want, refused string
}

func constructs() []construct {
	const in = "config t s\n" // one line, so that the construct begins on line 2
	return []construct{
		{name: "empty file", text: "", want: ""},
		{name: "blank lines", text: "\n \t\n\r\n\v\f\n", want: ""},
		{name: "comment only", text: "# x", want: ""},
		{name: "indented comment", text: " \t# config x\n", want: ""},
		{name: "comment with quotes", text: "# it's \"\nconfig t s\n", want: `[t s]`},
		{name: "comment with backslash at the end", text: "# x \\\nconfig t s\n", want: `[t s]`},
		{name: "bare section", text: "config t s", want: `[t s]`},
		{name: "single quoted name", text: "config t 's'", want: `[t s]`},
		{name: "double quoted name", text: `config t "s"`, want: `[t s]`},
		{name: "quoted type", text: `config 't' s`, want: `[t s]`},
		{name: "anonymous section", text: "config t\n", want: `[t ]`},
		{name: "empty name is anonymous", text: "config t ''\n", want: `[t ]`},
		{name: "anonymous with comment", text: "config t # x\n\toption a b\n", want: `[t  a="b"@2]`},
		{name: "two anonymous of a type", text: "config t\noption a 1\nconfig t\noption a 2\n", want: `[t  a="1"@2][t  a="2"@4]`},
		{name: "type with a dash", text: "config wifi-iface\n", want: `[wifi-iface ]`},
		{name: "name begins with a digit", text: "config t 1a\n", want: `[t 1a]`},
		{name: "short keywords", text: "p x\nc t s\no a b\nl d e\n", want: `[t s a="b"@3 d+="e"@4]`},
		{name: "indented config", text: "\t config t s\n", want: `[t s]`},
		{name: "tabs between words", text: "config\t\tt\t\ts\t\n", want: `[t s]`},
		{name: "package line", text: "package tandem\nconfig t s\n", want: `[t s]`},
		{name: "package line, quoted", text: "package 'tandem'\n\nconfig t s\n", want: `[t s]`},
		{name: "package line after sections", text: in + "package other\noption a b\n", want: `[t s a="b"@3]`},

		{name: "unquoted value", text: in + "option a b", want: `[t s a="b"@2]`},
		{name: "single quoted value", text: in + "option a 'b c'", want: `[t s a="b c"@2]`},
		{name: "double quoted value", text: in + `option a "b c"`, want: `[t s a="b c"@2]`},
		{name: "quoted option name", text: in + `option 'a' b`, want: `[t s a="b"@2]`},
		{name: "empty single quotes", text: in + "option a ''\n", want: `[t s a=""@2]`},
		{name: "empty double quotes", text: in + "option a \"\"\n", want: `[t s a=""@2]`},
		{name: "no value", text: in + "option a\n", want: `[t s a=""@2]`},
		{name: "no value but a comment", text: in + "option a # b\n", want: `[t s a=""@2]`},
		{name: "quote in double quotes", text: in + `option a "it's"`, want: `[t s a="it's"@2]`},
		{name: "quote as uci writes it", text: in + `option a 'it'\''s'`, want: `[t s a="it's"@2]`},
		{name: "double quotes in single", text: in + `option a '"b"'`, want: `[t s a="\"b\""@2]`},
		{name: "escaped double quote", text: in + `option a "b\"c"`, want: `[t s a="b\"c"@2]`},
		{name: "backslash in single quotes", text: in + `option a 'b\c\'`, want: `[t s a="b\\c\\"@2]`},
		{name: "backslash in double quotes", text: in + `option a "b\c\\d"`, want: `[t s a="bc\\d"@2]`},
		{name: "backslash outside quotes", text: in + `option a b\ c\#d\;e`, want: `[t s a="b c#d;e"@2]`},
		{name: "backslash joins lines", text: in + "option a b\\\nc\noption d e", want: `[t s a="bc"@2 d="e"@4]`},
		{name: "backslash joins lines with CRLF", text: in + "option a b\\\r\nc\r\n", want: `[t s a="bc"@2]`},
		{name: "backslash before the value", text: in + "option a \\\nb", want: `[t s a="b"@2]`},
		{name: "backslash joins in double quotes", text: in + "option a \"b\\\nc\"\n", want: `[t s a="bc"@2]`},
		{name: "backslash at the end of the file", text: in + `option a b\`, want: `[t s a="b"@2]`},
		{name: "parts that touch", text: in + `option a b'c d'"e f"g`, want: `[t s a="bc de fg"@2]`},
		{name: "line end in single quotes", text: in + "option a 'b\nc'\noption d e", want: `[t s a="b\nc"@2 d="e"@4]`},
		{name: "line end in double quotes", text: in + "option a \"b\n\n c\"\n", want: `[t s a="b\n\n c"@2]`},
		{name: "statement in a quoted value", text: in + "option a 'b\nconfig x y\n'\n", want: `[t s a="b\nconfig x y\n"@2]`},
		{name: "CRLF", text: "config t s\r\n\toption a b\r\n\toption c 'd'\r\n", want: `[t s a="b"@2 c="d"@3]`},
		{name: "CR in quotes", text: in + "option a 'b\r\nc'", want: `[t s a="b\r\nc"@2]`},
		{name: "comment after value", text: in + "option a b # c\noption d 'e' # f", want: `[t s a="b"@2 d="e"@3]`},
		{name: "comment touches value", text: in + "option a b#c\noption d 'e'#f", want: `[t s a="b"@2 d="e"@3]`},
		{name: "hash in quotes", text: in + "option a '#b'", want: `[t s a="#b"@2]`},
		{name: "semicolon in quotes", text: in + "option a 'b;c'", want: `[t s a="b;c"@2]`},
		{name: "percent and spaces", text: in + "option a '% %41 '", want: `[t s a="% %41 "@2]`},
		{name: "not UTF-8", text: in + "option a 'b\xff\xfe'", want: `[t s a="b\xff\xfe"@2]`},
		{name: "UTF-8", text: in + "option a 'größe'", want: `[t s a="größe"@2]`},
		{name: "control characters", text: in + "option a '\x01\x7f'", want: `[t s a="\x01\x7f"@2]`},
		{name: "keyword as value", text: in + "option option option\nlist list list", want: `[t s option="option"@2 list+="list"@3]`},
		{name: "@ value", text: in + "option a @t[0]", want: `[t s a="@t[0]"@2]`},
		{name: "long value", text: in + "option a " + strings.Repeat("x", 5000), want: `[t s a="` + strings.Repeat("x", 5000) + `"@2]`},
		{name: "list", text: in + "list a b\nlist a 'c d'\n", want: `[t s a+="b"@2,"c d"@3]`},
		{name: "list with others between", text: in + "list a b\noption x y\nlist a c\n", want: `[t s a+="b"@2,"c"@4 x="y"@3]`},
		{name: "list with repeated element", text: in + "list a b\nlist a c\nlist a b\n", want: `[t s a+="b"@2,"c"@3]`},
		{name: "list with empty element", text: in + "list a ''\nlist a b\n", want: `[t s a+=""@2,"b"@3]`},

		{name: "no config line", text: "option a b\n", refused: `tandem:1: option before the first config line`},
		{name: "unknown keyword", text: "config t s\nconfg t u\n", refused: `tandem:2: unknown keyword "confg": a line begins with config, option, list or #`},
		{name: "keyword in capitals", text: "Config t s\n", refused: `tandem:1: unknown keyword "Config": a line begins with config, option, list or #`},
		{name: "keyword quoted", text: "'config' t s\n", refused: `tandem:1: unknown keyword "'config'": a line begins with config, option, list or #`},
		{name: "keyword touches quote", text: in + "option'a' b\n", refused: `tandem:2: unknown keyword "option'a'": a line begins with config, option, list or #`},
		{name: "keyword and carriage return", text: in + "option\ra b\n", refused: `tandem:2: unknown keyword "option\ra": a line begins with config, option, list or #`},
		{name: "byte order mark", text: "\ufeffconfig t s\n", refused: `tandem:1: unknown keyword "\ufeffconfig": a line begins with config, option, list or #`},
		{name: "config alone", text: "config\n", refused: `tandem:1: config without a name`},
		{name: "config alone with CRLF", text: "config\r\n", refused: `tandem:1: config without a name`},
		{name: "package alone", text: "package\n", refused: `tandem:1: package without a name`},
		{name: "empty type", text: "config ''\n", refused: `tandem:1: config without a name`},
		{name: "option alone", text: in + "option\n", refused: `tandem:2: option without a name`},
		{name: "two values", text: in + "option a b c\n", refused: `tandem:2: option "a": too many words: a value with spaces needs quotes`},
		{name: "two values, one empty", text: in + "option a b ''\n", refused: `tandem:2: option "a": too many words: a value with spaces needs quotes`},
		{name: "value after joined line", text: in + "option a b\\\n c\n", refused: `tandem:2: option "a": too many words: a value with spaces needs quotes`},
		{name: "three words of config", text: "config t s u\n", refused: `tandem:1: config "t": too many words: a value with spaces needs quotes`},
		{name: "name with a dash", text: "config t s-1\n", refused: `tandem:1: section name "s-1": only letters, digits and _ are allowed`},
		{name: "option name with a dash", text: in + "option a-b c\n", refused: `tandem:2: option name "a-b": only letters, digits and _ are allowed`},
		{name: "option name with a space", text: in + "option 'a b' c\n", refused: `tandem:2: option name "a b": only letters, digits and _ are allowed`},
		{name: "type with a dot", text: "config t.u s\n", refused: `tandem:1: section type "t.u": only letters, digits, _ and - are allowed`},
		{name: "package with a dot", text: "package t.u\n", refused: `tandem:1: package name "t.u": only letters, digits, _ and - are allowed`},
		{name: "semicolon", text: in + "option a b; option c d\n", refused: `tandem:2: ';' outside quotes: put each statement on its own line, or the value in quotes`},
		{name: "semicolon after quotes", text: in + "option a 'b'; option c d\n", refused: `tandem:2: ';' outside quotes: put each statement on its own line, or the value in quotes`},
		{name: "single quote open", text: in + "option a 'b\noption c d\n", refused: `tandem:2: quote ' is never closed`},
		{name: "double quote open", text: in + "\noption a \"b\\\"\n", refused: `tandem:3: quote " is never closed`},
		{name: "it's without quotes", text: in + "option a it's\n", refused: `tandem:2: quote ' is never closed`},
		{name: "byte 0", text: in + "\noption a b\x00c\n", refused: `tandem:3: byte 0: not a text file`},
		{name: "option twice", text: in + "option a b\noption a b\n", refused: `tandem:3: option "a": given twice, first on line 2`},
		{name: "option and list", text: in + "option a b\nlist a c\n", refused: `tandem:3: "a": given as option and as list, first on line 2`},
		{name: "list and option", text: in + "list a b\noption a c\n", refused: `tandem:3: "a": given as option and as list, first on line 2`},
		{name: "name twice", text: in + "option a b\nconfig t s\noption c d\n", refused: `tandem:3: section "s": the name is taken by line 1`},
		{name: "name twice, other type", text: in + "config u s\n", refused: `tandem:2: section "s": the name is taken by line 1`},
		{name: "101 options", text: in + strings.Repeat("\n", 10) + manyOptions(101), refused: "tandem:112: more than 100 options in a section"},
		{name: "two faults", text: "config t.u\noption a b\noption a b\n", refused: "tandem:1: section type \"t.u\": only letters, digits, _ and - are allowed\ntandem:3: option \"a\": given twice, first on line 2"},
	}
}
