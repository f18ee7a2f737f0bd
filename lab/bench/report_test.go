package bench

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run of one section leaves what the report has of the others.
func TestSaveKeepsOtherSections(t *testing.T) {
	file := filepath.Join(t.TempDir(), "performance.md")
	save := func(s Section, text string) {
		t.Helper()
		r := newReport()
		r.add(s, Outcome{Markdown: text, Figures: map[string]int{"n": 1}, Plots: map[string]string{s.Name: bars{}.String()}}, "0.5")
		if err := r.Save(file); err != nil {
			t.Fatal(err)
		}
		if err := r.SaveJSON(file + ".json"); err != nil {
			t.Fatal(err)
		}
	}
	save(wan, "first words of wan")
	save(bulk, "words of bulk")
	save(wan, "later words of wan")
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if strings.Contains(text, "first words") || strings.Count(text, "<!-- begin") != 2 ||
		strings.Index(text, "words of bulk") > strings.Index(text, "later words of wan") {
		t.Errorf("report:\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "performance-wan.svg")); err != nil {
		t.Error(err)
	}
	var figures struct{ Sections map[string]map[string]int }
	if got, err = os.ReadFile(file + ".json"); err == nil {
		err = json.Unmarshal(got, &figures)
	}
	if err != nil || figures.Sections["wan"]["n"] != 1 {
		t.Errorf("figures %s, %v", got, err)
	}
}

func TestUnknownSection(t *testing.T) {
	_, err := Run(context.Background(), Options{Only: []string{"bulk", "bulge"}})
	if err == nil || !strings.Contains(err.Error(), `"bulge"`) {
		t.Errorf("error %v, want one that names the section", err)
	}
}

func TestPercentile(t *testing.T) {
	v := []float64{4, 1, 3, 2}
	for p, want := range map[float64]float64{0: 1, 50: 2.5, 100: 4} {
		if got := percentile(v, p); got != want {
			t.Errorf("percentile %v: %v, want %v", p, got, want)
		}
	}
}
