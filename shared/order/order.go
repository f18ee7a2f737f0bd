// Package order sorts slices in a few kilobytes of code. Of package slices'
// sorting each type of element makes 20 kB, and package sort's needs a second
// package for reflection, beside the one that printing needs anyway.
package order

import "reflect"

// Slice sorts s, a slice, so that elements that are equal keep their order. less
// compares the elements at two places of s as it is before.
func Slice(s any, less func(i, j int) bool) {
	from := sorted(reflect.ValueOf(s).Len(), less)
	swap := reflect.Swapper(s)
	for at := range from {
		// What belongs here comes here for what is here, which so gets to the next
		// place of the round, until that is where it belongs.
		for i := at; from[i] != i; {
			next := from[i]
			if next != at {
				swap(i, next)
			}
			i, from[i] = next, i
		}
	}
}

// Strings sorts s.
func Strings(s []string) { Slice(s, func(i, j int) bool { return s[i] < s[j] }) }

// sorted returns the numbers below n in order: runs are merged two by two, of
// length one, two, four and so on.
func sorted(n int, less func(i, j int) bool) []int {
	from, to := make([]int, n), make([]int, n)
	for i := range from {
		from[i] = i
	}
	for run := 1; run < n; run *= 2 {
		for at := 0; at < n; at += 2 * run {
			middle, end := min(at+run, n), min(at+2*run, n)
			a, b := from[at:middle], from[middle:end]
			for i := at; i < end; i++ {
				if len(a) == 0 || len(b) > 0 && less(b[0], a[0]) {
					to[i], b = b[0], b[1:]
				} else {
					to[i], a = a[0], a[1:]
				}
			}
		}
		from, to = to, from
	}
	return from
}
