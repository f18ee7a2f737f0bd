package main

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// feed writes the packages of one architecture, and those for all, with the
// index that opkg downloads, its compressed form and its signature.
func feed(dir string, packages []pkg, k key) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sort.Slice(packages, func(i, j int) bool { return packages[i].name < packages[j].name })
	var index strings.Builder
	for _, p := range packages {
		file, control, err := p.ipk()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, p.ipkName()), file, 0o644); err != nil {
			return err
		}
		index.WriteString(indexed(control, p.ipkName(), file) + "\n")
	}
	text := []byte(index.String())
	zipped, err := zip(text)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"Packages": text, "Packages.gz": zipped, "Packages.sig": k.sign(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
