package pairing

// Characters are numbers of 6 bits, elements of the field with 64 elements. A
// group of them, the last three of which check the others, is the coefficients
// of a polynomial, highest degree first, that is zero at 1, 2 and 4 (a
// Reed-Solomon code). With one character wrong by e, that of degree d, the
// values there are e, e * 2^d and e * 4^d, which tells d. With two wrong they
// are never of that form, with more hardly ever.
const (
	groupData   = 60
	groupChecks = 3
	groupLen    = groupData + groupChecks // 2^d is different for each d below 63
)

// generator is (x-1)(x-2)(x-4), without its highest coefficient, 1.
var generator = [groupChecks]byte{7, 14, 8}

// times2 is a * 2 in the field, modulo x^6 + x + 1, of which x is a generator.
func times2(a byte) byte {
	a <<= 1
	if a&64 != 0 {
		a ^= 0x43
	}
	return a
}

// times is a * b in the field.
func times(a, b byte) (product byte) {
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			product ^= a
		}
		a = times2(a)
	}
	return product
}

// protect appends the checking characters to a group of data: the remainder of
// its division by the generator.
func protect(group []byte) []byte {
	var rest [groupChecks]byte
	for _, c := range group {
		top := c ^ rest[0]
		rest = [groupChecks]byte{rest[1], rest[2], 0}
		for i, g := range generator {
			rest[i] ^= times(top, g)
		}
	}
	return append(group, rest[:]...)
}

// repair corrects the one wrong character of a group and returns its index, -1
// where none is wrong. It fails where more than one must be.
func repair(group []byte) (at int, ok bool) {
	var at1, at2, at4 byte
	for _, c := range group {
		at1, at2, at4 = at1^c, times2(at2)^c, times2(times2(at4))^c
	}
	if at1|at2|at4 == 0 {
		return -1, true
	}
	weight := byte(1)
	for i := len(group) - 1; i >= 0; i-- {
		if at1 != 0 && at2 == times(at1, weight) && at4 == times(at2, weight) {
			group[i] ^= at1
			return i, true
		}
		weight = times2(weight)
	}
	return -1, false
}
