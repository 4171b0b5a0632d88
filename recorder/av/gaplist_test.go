package av

import (
	"reflect"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

func TestGapList(t *testing.T) {
	var l gapList
	for i := range 3 * mostGaps {
		l.add(time.Duration(i)*time.Second, ms(20))
	}
	if len(l.listed) != mostGaps || l.count != 3*mostGaps || l.total != time.Minute {
		t.Errorf("%d listed, %d of %v", len(l.listed), l.count, l.total)
	}
	got := gapsFrom(time.Second+ms(5), l.listed[:3])
	want := []recorder.Gap{{Start: 0, Length: ms(15)}, {Start: ms(995), Length: ms(20)}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("gaps %v, want %v", got, want)
	}
}
