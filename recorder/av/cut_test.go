package av

import (
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// Pictures that are encoded long before their file is begun have their
// keyframe all the same.
func TestCutsAreKnownInAdvance(t *testing.T) {
	for name, c := range map[string]struct {
		rotate        recorder.Rotate
		next, at, cut time.Duration
		ok            bool
	}{
		"none planned": {recorder.Rotate{}, noCut, time.Hour, 0, false},
		"before":       {recorder.Rotate{Duration: 3 * time.Second}, 9 * time.Second, 8 * time.Second, 0, false},
		"at":           {recorder.Rotate{Duration: 3 * time.Second}, 9 * time.Second, 9 * time.Second, 9 * time.Second, true},
		"two on":       {recorder.Rotate{Duration: 3 * time.Second}, 9 * time.Second, 16 * time.Second, 15 * time.Second, true},
		"by size":      {recorder.Rotate{Size: 1 << 20}, 9 * time.Second, 16 * time.Second, 9 * time.Second, true},
	} {
		m := &muxer{rotate: c.rotate}
		m.cut.Store(int64(c.next))
		if cut, ok := m.lastCut(c.at); cut != c.cut || ok != c.ok {
			t.Errorf("%s: %v %v, want %v %v", name, cut, ok, c.cut, c.ok)
		}
	}
}
