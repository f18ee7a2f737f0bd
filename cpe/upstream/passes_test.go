package upstream

import (
	"testing"
	"time"
)

func TestPasses(t *testing.T) {
	var p passes
	now := time.Unix(1e9, 0)
	none := func() bool { return p.line("lte").plain < convinced }
	if p.joins("lte", true, now) || !none() {
		t.Error("a connection with a subflow over the line raises doubts")
	}
	if !p.joins("lte", false, now) {
		t.Error("a connection without one, and the line is not asked")
	}
	if p.joins("lte", false, now.Add(time.Minute)) {
		t.Error("asked again while joins fail for another reason")
	}
	if !p.joins("lte", false, now.Add(askAgain)) {
		t.Error("never asked again")
	}
	p.said("lte", false)
	if none() {
		t.Error("the line said that MPTCP is removed")
	}
	if p.joins("lte", false, now.Add(3*askAgain)) {
		t.Error("asked for what is known")
	}
	p.joins("lte", true, now)
	if !none() {
		t.Error("a join shows that MPTCP gets through again")
	}
	if !p.joins("lte", false, now.Add(time.Second)) {
		t.Error("a new failure is not looked into at once")
	}
	p.learn("lte", false)
	if !none() {
		t.Error("convinced by one connection")
	}
	if p.learn("lte", false); none() {
		t.Error("not convinced by two")
	}
	if p.learn("lte", true); !none() {
		t.Error("MPTCP was seen, and not believed")
	}
}
