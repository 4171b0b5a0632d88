package timeline

import (
	"reflect"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

func TestGapList(t *testing.T) {
	var l Gaps
	for i := range 3 * mostGaps {
		l.add(time.Duration(i)*time.Second, ms(20))
	}
	if len(l.Listed) != mostGaps || l.Count != 3*mostGaps || l.Total != time.Minute {
		t.Errorf("%d listed, %d of %v", len(l.Listed), l.Count, l.Total)
	}
	got := GapsFrom(time.Second+ms(5), l.Listed[:3])
	want := []recorder.Gap{{Start: 0, Length: ms(15)}, {Start: ms(995), Length: ms(20)}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("gaps %v, want %v", got, want)
	}
}
