package main

import (
	"strconv"
	"time"
)

// clockSkew is by how many seconds this process's clock is wrong.
// The tests set it through the linker, as they cannot set the clock of the
// machine that they run on; nothing else can.
var clockSkew string

// now is the source of the time that requests are signed with, nil for the
// system's.
func now() func() time.Time {
	if clockSkew == "" {
		return nil
	}
	seconds, err := strconv.Atoi(clockSkew)
	if err != nil {
		panic("clock skew set by the linker: " + err.Error())
	}
	return func() time.Time { return time.Now().Add(time.Duration(seconds) * time.Second) }
}

const (
	// soon is how long a router that came up without a clock has to hear the time
	// from a concentrator; by then it has it from elsewhere, or never will.
	soon = time.Hour
	// built is a date before which no clock can be right.
	built = 2026
)

// clock returns the time by what the concentrators prove of it, and whether it
// is known to be right. Many routers have no clock of their own.
func (p *proxy) clock() func() (time.Time, bool) {
	began, read := time.Now(), now()
	if read == nil {
		read = time.Now
	}
	return func() (time.Time, bool) {
		signed := false
		for _, c := range p.settings.Load().concentrators {
			t := c.Trust()
			if t.Key != "" && t.Proven > 0 {
				return read().Add(t.Ahead), true
			}
			signed = signed || t.Key != ""
		}
		local := read()
		return local, local.Year() >= built && (!signed || time.Since(began) > soon)
	}
}
