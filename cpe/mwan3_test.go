package main

import (
	"strings"
	"testing"
)

func TestBesideMwan3(t *testing.T) {
	for mask, want := range map[uint32]string{0: "", 0x3f00: "leave Tandem's own connections alone", 0xff000000: "mmx_mask", 0x10000000: "mmx_mask"} {
		if got := besideMwan3(mask); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%#x: %q", mask, got)
		}
	}
}
