package av

import (
	"testing"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// A packet that was held when the file broke is lost, and counted.
func TestLedgerCountsWhatIsHeld(t *testing.T) {
	l := newLedger(recorder.Track{})
	for range 3 {
		l.take()
	}
	l.place(10)
	l.release(recorder.DropLate)
	l.settle(nil, 0)
	if got := l.report(0); got.Dropped[recorder.DropWriteError] != 2 || got.Dropped[recorder.DropLate] != 1 {
		t.Errorf("dropped %v", got.Dropped)
	}
}
