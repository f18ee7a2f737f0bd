package bindlog

import (
	"context"
	"fmt"
	"testing"
)

type records []Record

func (l *records) Record(r Record) { *l = append(*l, r) }

func TestQueueLosesNothing(t *testing.T) {
	var got records
	q := NewQueue(&got)
	ctx, stop := context.WithCancel(context.Background())
	for i := range 1000 { // before Run
		q.Record(Record{Client: fmt.Sprint(i)})
	}
	ended := make(chan error)
	go func() { ended <- q.Run(ctx) }()
	for i := 1000; i < 2000; i++ {
		q.Record(Record{Client: fmt.Sprint(i)})
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(got) != 2000 {
		t.Fatalf("%d of 2,000 records arrived", len(got))
	}
	for i, r := range got {
		if r.Client != fmt.Sprint(i) {
			t.Fatalf("record %d is %q", i, r.Client)
		}
	}
}
