package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Every manual page of docs/ is taken, and man itself finds nothing to say.
func TestPages(t *testing.T) {
	for _, name := range []string{"tandem-cpe", "tandem-concentrator"} {
		text, err := os.ReadFile("../" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		page, err := Roff(string(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c := exec.Command("groff", "-t", "-man", "-ww", "-Wbreak", "-Tutf8", "-Kutf8", "-z")
		c.Stdin = strings.NewReader(page)
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: groff: %v\n%s", name, err, out)
		}
		for _, section := range []string{".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH EXIT STATUS"} {
			if !strings.Contains(page, section+"\n") {
				t.Errorf("%s has no %q", name, section)
			}
		}
	}
}

func TestBlocks(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"text", "one `a-b` **two**\n  [three](x.md)", ".PP\none \\fBa\\-b\\fR \\fBtwo\\fR\nthree\n"},
		{"name", "## NAME\nx: what-ever", ".SH NAME\nx \\- what\\-ever\n"},
		{"request", ".B not a request", ".PP\n\\&.B not a request\n"},
		{"code", "    a 'b'\n    .c", ".PP\n.RS 4\n.nf\na \\(aqb\\(aq\n\\&.c\n.fi\n.RE\n"},
		{"fence", "```sh\na\n\nb\n```", ".PP\n.RS 4\n.nf\na\n\nb\n.fi\n.RE\n"},
		{"list", "- a\n  b\n- c", ".IP \\(bu 3\na\nb\n.IP \\(bu 3\nc\n"},
		{"steps", "1. a\n2. b", ".IP 1. 3\na\n.IP 2. 3\nb\n"},
		{"table", "| x | |\n|---|---|\n| `y` | z\\|z |", ".TS\ntab(\x01);\nlb lb\nl lx.\nT{\nx\nT}\x01T{\n\nT}\nT{\n\\fBy\\fR\nT}\x01T{\nz|z\nT}\n.TE\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Roff("# x(1)\n" + tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if _, got, _ = strings.Cut(got, ".ad l\n"); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
	for name, in := range map[string]string{
		"no title": "x", "second title": "# x(1)\n# y(1)", "open fence": "# x(1)\n```\na", "no dashes": "# x(1)\n| a |",
		"ragged": "# x(1)\n| a | b |\n|---|---|\n| c |",
	} {
		if _, err := Roff(in); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
