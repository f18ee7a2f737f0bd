package supply

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Licence reads which licence the module in dir comes with, as an SPDX
// identifier.
func Licence(dir string) (string, error) {
	for _, name := range []string{"LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "COPYING"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			return identify(string(text))
		}
	}
	return "", fmt.Errorf("no licence file in %q", dir)
}

// identify tells a licence by sentences that no other one has. Licences that
// we do not want to find are not here.
func identify(text string) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case has("Apache License Version 2.0"):
		return "Apache-2.0", nil
	case has("Permission is hereby granted, free of charge") && has("The above copyright notice and this permission notice shall be included"):
		return "MIT", nil
	case has("Redistribution and use in source and binary forms") && (has("endorse or promote products") || has("used to endorse or promote")):
		return "BSD-3-Clause", nil
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause", nil
	case has("Permission to use, copy, modify, and/or distribute this software for any purpose"):
		return "ISC", nil
	}
	return "", fmt.Errorf("a licence that is not known here: %.80q", text)
}
