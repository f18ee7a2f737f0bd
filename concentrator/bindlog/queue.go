package bindlog

import (
	"context"
	"time"
)

// Queue takes records at once and hands them on from a goroutine of its own:
// the relay's flows must not wait for a log that is slow.
type Queue struct {
	to      Log
	records chan Record
}

// backlog is how many records may wait: 20 seconds of 3,000 connections a
// second. When they are more, those who record wait: the log is what the
// operator must have.
const backlog = 1 << 16

// NewQueue returns a Queue in front of to. Its Run must be running.
func NewQueue(to Log) *Queue { return &Queue{to: to, records: make(chan Record, backlog)} }

// Record queues r.
func (q *Queue) Record(r Record) { q.records <- r }

// Run hands records on until ctx ends, and those that wait then.
func (q *Queue) Run(ctx context.Context) error {
	for {
		select {
		case r := <-q.records:
			q.to.Record(r)
			q.rest()
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		case <-ctx.Done():
			q.rest()
			return nil
		}
	}
}

// pause is between two looks at what waits: under load, nobody is woken for each
// record.
const pause = 50 * time.Millisecond

// rest hands on what waits now.
func (q *Queue) rest() {
	for {
		select {
		case r := <-q.records:
			q.to.Record(r)
		default:
			return
		}
	}
}
