package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	labnet "tandem/lab/net"
)

// parseRate reads bit/s with an optional k, M or G: "20M". "0" is unlimited.
func parseRate(s string) (int64, error) {
	number, factor := s, 1.0
	for suffix, f := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if cut, ok := strings.CutSuffix(s, suffix); ok {
			number, factor = cut, f
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v >= 0 && v*factor < 1e15) {
		return 0, fmt.Errorf("rate %q: want bit/s like 500k, 20M, 1G or 0 (unlimited)", s)
	}
	return int64(v * factor), nil
}

// parseShare reads "1%" or "0.01".
func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("loss %q: want 0%% to 100%%", s)
	}
	return v, nil
}

// setQueue reads "100ms", "64k" (bytes) or "bdp".
func setQueue(shape *labnet.Shape, s string) error {
	shape.QueueBytes, shape.QueueTime = 0, 0
	if s == "bdp" {
		return nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		shape.QueueTime = d
		return nil
	}
	bytes, err := parseRate(s)
	if err != nil || bytes == 0 {
		return fmt.Errorf("queue %q: want a time like 100ms, bytes like 64k, or bdp", s)
	}
	shape.QueueBytes = bytes
	return nil
}

func formatRate(bits int64) string {
	switch {
	case bits == 0:
		return "∞"
	case bits >= 1e9:
		return trim(float64(bits)/1e9) + "G"
	case bits >= 1e6:
		return trim(float64(bits)/1e6) + "M"
	}
	return trim(float64(bits)/1e3) + "k"
}

func formatBytes(n uint64) string {
	switch {
	case n >= 1e9:
		return trim(float64(n)/1e9) + " GB"
	case n >= 1e6:
		return trim(float64(n)/1e6) + " MB"
	case n >= 1e3:
		return trim(float64(n)/1e3) + " kB"
	}
	return fmt.Sprint(n) + " B"
}

// trim formats with up to two decimals.
func trim(v float64) string {
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
}
