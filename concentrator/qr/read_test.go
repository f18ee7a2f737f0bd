package qr

import (
	"errors"
	"fmt"
)

// read is an independent reader (ISO/IEC 18004) of undamaged codes of versions
// 1 to 20, level L, byte mode.
func read(m [][]bool) (string, error) {
	size := len(m)
	version := (size - 17) / 4
	if size != 17+4*version || version < 1 || version > len(blocks) {
		return "", fmt.Errorf("%d modules", size)
	}
	mask, err := readFormat(m)
	if err != nil {
		return "", err
	}
	bits := unmask(m, function(version, size), mask)
	data := deinterleave(bits, blocks[version-1])
	at := 0
	take := func(n int) (v int) {
		for ; n > 0; n-- {
			v = v<<1 | int(data[at/8])>>(7-at%8)&1
			at++
		}
		return v
	}
	if mode := take(4); mode != 4 {
		return "", fmt.Errorf("mode %d", mode)
	}
	length := 8
	if version > 9 {
		length = 16
	}
	n := take(length)
	if at+8*n > 8*len(data) {
		return "", fmt.Errorf("%d bytes do not fit", n)
	}
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(take(8))
	}
	return string(out), nil
}

// blocks are the data bytes of each error correction block at level L, as
// number and bytes of the shorter and number of those one longer (table 9).
var blocks = [][3]int{
	{1, 19, 0}, {1, 34, 0}, {1, 55, 0}, {1, 80, 0}, {1, 108, 0}, {2, 68, 0}, {2, 78, 0}, {2, 97, 0},
	{2, 116, 0}, {2, 68, 2}, {4, 81, 0}, {2, 92, 2}, {4, 107, 0}, {3, 115, 1}, {5, 87, 1}, {5, 98, 1},
	{1, 107, 5}, {5, 120, 1}, {3, 113, 4}, {3, 107, 5},
}

// aligned are the coordinates of alignment patterns (annex E).
var aligned = [][]int{
	nil, {6, 18}, {6, 22}, {6, 26}, {6, 30}, {6, 34}, {6, 22, 38}, {6, 24, 42}, {6, 26, 46}, {6, 28, 50},
	{6, 30, 54}, {6, 32, 58}, {6, 34, 62}, {6, 26, 46, 66}, {6, 26, 48, 70}, {6, 26, 50, 74}, {6, 30, 54, 78},
	{6, 30, 56, 82}, {6, 30, 58, 86}, {6, 34, 62, 90},
}

// readFormat reads both copies of the format and returns the mask (section
// 7.9). Level L is 01.
func readFormat(m [][]bool) (mask int, err error) {
	size := len(m)
	var first, second int
	put := func(v *int, black bool) {
		*v <<= 1
		if black {
			*v |= 1
		}
	}
	for i := range 15 { // most significant bit first
		switch {
		case i < 6:
			put(&first, m[8][i])
		case i < 8:
			put(&first, m[8][i+1])
		case i == 8:
			put(&first, m[7][8])
		default:
			put(&first, m[14-i][8])
		}
		if i < 7 {
			put(&second, m[size-1-i][8])
		} else {
			put(&second, m[8][size-15+i])
		}
	}
	for mask := range 8 {
		if v := bch(1<<3|mask) ^ 0x5412; v == first && v == second {
			return mask, nil
		}
	}
	return 0, errors.New("no format of level L")
}

// bch is the format with its ten check bits.
func bch(v int) int {
	rest := v << 10
	for i := 14; i >= 10; i-- {
		if rest>>i&1 != 0 {
			rest ^= 0x537 << (i - 10)
		}
	}
	return v<<10 | rest
}

// function says which modules hold no data.
func function(version, size int) func(x, y int) bool {
	used := make(map[[2]int]bool)
	box := func(x, y, w, h int) {
		for i := range w {
			for j := range h {
				used[[2]int{x + i, y + j}] = true
			}
		}
	}
	box(0, 0, 9, 9) // finders, separators, format
	box(size-8, 0, 8, 9)
	box(0, size-8, 9, 8)
	box(0, 6, size, 1) // timing
	box(6, 0, 1, size)
	if version >= 7 {
		box(size-11, 0, 3, 6)
		box(0, size-11, 6, 3)
	}
	at := aligned[version-1]
	for i, x := range at {
		for j, y := range at {
			last := len(at) - 1
			if i == 0 && j == 0 || i == 0 && j == last || i == last && j == 0 {
				continue // a finder is there
			}
			box(x-2, y-2, 5, 5)
		}
	}
	return func(x, y int) bool { return used[[2]int{x, y}] }
}

// unmask reads the bytes in two-module columns, up and down from the right
// (section 7.7.3), through the mask (section 7.8.2).
func unmask(m [][]bool, skip func(x, y int) bool, mask int) []byte {
	masks := []func(i, j int) bool{
		func(i, j int) bool { return (i+j)%2 == 0 },
		func(i, _ int) bool { return i%2 == 0 },
		func(_, j int) bool { return j%3 == 0 },
		func(i, j int) bool { return (i+j)%3 == 0 },
		func(i, j int) bool { return (i/2+j/3)%2 == 0 },
		func(i, j int) bool { return i*j%2+i*j%3 == 0 },
		func(i, j int) bool { return (i*j%2+i*j%3)%2 == 0 },
		func(i, j int) bool { return ((i+j)%2+i*j%3)%2 == 0 },
	}
	size := len(m)
	var out []byte
	n, up := 0, true
	for right := size - 1; right > 0; right -= 2 {
		if right == 6 {
			right--
		}
		for k := range size {
			y := k
			if up {
				y = size - 1 - k
			}
			for _, x := range []int{right, right - 1} {
				if skip(x, y) {
					continue
				}
				if n%8 == 0 {
					out = append(out, 0)
				}
				if m[y][x] != masks[mask](y, x) {
					out[n/8] |= 0x80 >> (n % 8)
				}
				n++
			}
		}
		up = !up
	}
	return out
}

// deinterleave puts the data bytes of all blocks one behind the other (section
// 7.6).
func deinterleave(b []byte, shape [3]int) []byte {
	short, bytes, long := shape[0], shape[1], shape[2]
	parts := make([][]byte, short+long)
	at := 0
	for i := range bytes + 1 {
		for j := range parts {
			if i == bytes && j < short {
				continue
			}
			parts[j] = append(parts[j], b[at])
			at++
		}
	}
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
