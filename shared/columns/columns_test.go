package columns

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"text/tabwriter"
)

func TestAsTabwriter(t *testing.T) {
	fill := func(w io.Writer) {
		fmt.Fprint(w, "tandem 1, pid 2\n\nLINE\tSTATE\tADDRESSES\n")
		fmt.Fprint(w, "dsl\tup\t[192.0.2.1]\ngrößer\tdown: no carrier\t[]\n")
		fmt.Fprint(w, "\nflows: 1\n\nACCOUNT\tUP\na\t1\nlonger name\t22\nend")
	}
	var got, want bytes.Buffer
	ours := New(&got)
	fill(ours)
	if err := ours.Flush(); err != nil {
		t.Fatal(err)
	}
	theirs := tabwriter.NewWriter(&want, 0, 0, 2, ' ', 0)
	fill(theirs)
	theirs.Flush()
	if got.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want.String())
	}
	if err := ours.Flush(); err != nil || got.Len() != want.Len() {
		t.Errorf("a second flush wrote something: %v", err)
	}
}
