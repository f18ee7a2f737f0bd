// Package bench measures Tandem in the lab and writes down what it found.
//
// It is a list of sections (section.go). Each builds the lab it needs,
// measures, and returns a piece of docs/performance.md, figures for the JSON
// file, and plots. To add one, write a file with
//
//	var mine = Section{Name: "mine", Title: "What it is about", Run: runMine}
//
//	func runMine(ctx context.Context, o Options) (Outcome, error) { … }
//
// and add it to Sections. A run with --only replaces the pieces of the named
// sections in the report and leaves the others as they are. Figures are
// medians that say their n; rivals are measured in interleaved rounds of the
// same run (see interleave), since the machine's mood changes by the minute.
//
// Read section.go, report.go, then a section. sample.go has what sections
// share: medians, processor time, memory and descriptors of a process.
package bench
