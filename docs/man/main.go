// Command man turns a page of docs/ into a manual page: the part of Markdown
// that these pages use, and an error for what it does not know.
//
//	go run ./docs/man docs/tandem-cpe.md > tandem-cpe.8
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: man PAGE.md")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		var page string
		if page, err = Roff(string(text)); err == nil {
			fmt.Print(page)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "man:", err)
	os.Exit(1)
}
