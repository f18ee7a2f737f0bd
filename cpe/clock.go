package main

import "time"

// clockSkew is by how much this process's clock is wrong, such as "-87600h".
// The tests set it through the linker, as they cannot set the clock of the
// machine that they run on; nothing else can.
var clockSkew string

// now is the source of the time that requests are signed with, nil for the
// system's.
func now() func() time.Time {
	if clockSkew == "" {
		return nil
	}
	d, err := time.ParseDuration(clockSkew)
	if err != nil {
		panic("clock skew set by the linker: " + err.Error())
	}
	return func() time.Time { return time.Now().Add(d) }
}
