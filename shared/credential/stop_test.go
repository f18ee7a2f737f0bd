package credential

import (
	"sync"
	"testing"
)

// What is accepted while the snapshot is taken is in it.
func TestSnapshotUnderLoad(t *testing.T) {
	p := newPair(t)
	const workers, each = 4, 2000
	msgs := make([][]byte, workers*each)
	for i := range msgs {
		msgs[i], _ = p.sign(t)
	}
	verdicts := make([]Verdict, len(msgs))
	half := make(chan struct{})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w * each; i < (w+1)*each; i++ {
				if i == each/2 {
					close(half)
				}
				verdicts[i] = p.verify(msgs[i]).Verdict
			}
		}()
	}
	<-half
	b := p.verifier.snapshot()
	wg.Wait()
	p.verifier = p.restarted()
	if err := p.verifier.restore(b); err != nil {
		t.Fatal(err)
	}
	count := map[Verdict]int{}
	for i, msg := range msgs {
		count[verdicts[i]]++
		want := Replayed
		if verdicts[i] == Busy {
			want = Accepted
		}
		if got := p.verify(msg).Verdict; got != want {
			t.Fatalf("%v before, %v after the restart", verdicts[i], got)
		}
	}
	if count[Accepted] == 0 || count[Accepted]+count[Busy] != len(msgs) {
		t.Errorf("%v", count)
	}
}
