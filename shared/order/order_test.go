package order

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

func TestSlice(t *testing.T) {
	type element struct{ key, place int }
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		all := make([]element, n)
		for i := range all {
			all[i] = element{random.IntN(1 + n/3), i}
		}
		want := slices.Clone(all)
		slices.SortStableFunc(want, func(a, b element) int { return a.key - b.key })
		Slice(all, func(i, j int) bool { return all[i].key < all[j].key })
		if !slices.Equal(all, want) {
			t.Fatalf("%d elements: %v, want %v", n, all, want)
		}
	}
}

func TestStrings(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, strconv.Itoa(i*7919%100))
	}
	Strings(names)
	if !slices.IsSorted(names) || len(names) != 100 {
		t.Errorf("%q", names)
	}
}
