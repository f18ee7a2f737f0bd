package completion

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What bash offers is what the programs' help names.
func TestCompletion(t *testing.T) {
	for program, source := range map[string]string{"tandem-cpe": "cpe", "tandem-concentrator": "concentrator"} {
		text, err := os.ReadFile("../../" + source + "/main.go")
		if err != nil {
			t.Fatal(err)
		}
		_, usage, _ := strings.Cut(string(text), "\ncommands\n")
		usage, _, _ = strings.Cut(usage, "exit status")
		commands, flags, _ := strings.Cut(usage, "\nflags\n")
		want := names(`(?m)^  ([a-z]+)  `, commands)
		// For other programs, not for people.
		want = slices.DeleteFunc(want, func(s string) bool { return s == "rpcd" })
		for _, inside := range []string{"top", "undrain"} {
			if strings.Contains(commands, inside+":") || strings.Contains(commands, inside+" ends it") {
				want = append(want, inside)
			}
		}
		want = append(want, "help")
		compare(t, program, "", want)
		compare(t, program, "--", names(`(?m)^  (--[a-z]+)`, flags))
	}
}

func names(pattern, text string) (out []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// compare asks bash to complete word; flags come after a command.
func compare(t *testing.T, program, word string, want []string) {
	t.Helper()
	words, at := fmt.Sprintf("%s %q", program, word), 1
	if word != "" {
		words, at = fmt.Sprintf("%s status %s", program, word), 2
	}
	script := fmt.Sprintf(`source ./%s; COMP_WORDS=(%s); COMP_CWORD=%d; _%s; printf '%%s\n' "${COMPREPLY[@]}"`,
		program, words, at, strings.ReplaceAll(program, "-", "_"))
	out, err := exec.Command("bash", "-c", script).Output()
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s completes %q to\n%q, want\n%q", program, word, got, want)
	}
}
