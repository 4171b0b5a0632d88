package mp4_test

import (
	"os"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// lateParts is a session of a camera and a voice, whom another camera joins and
// then another voice.
func lateParts(t testing.TB) []part {
	return []part{
		{clip: clip.Encode(t, "h264", clip.Options{Seconds: 1, GOP: 5}), name: "camera"},
		{clip: clip.Encode(t, "opus", clip.Options{Seconds: 1}), name: "voice"},
		{clip: clip.Encode(t, "vp8", clip.Options{Seconds: 0.5, GOP: 5}), name: "second camera", start: 400 * time.Millisecond},
		{clip: clip.Encode(t, "opus", clip.Options{Seconds: 0.3}), name: "second voice", start: 700 * time.Millisecond},
	}
}

// powerShapes are the ways a session's file may be laid out. The slots are
// small, so that few sectors make many states.
var powerShapes = map[string]mp4.Options{
	"index at the end":      {Fragment: 200 * time.Millisecond, SlotBytes: 4096, SyncInterval: eachFragment},
	"index at the front":    {Fragment: 200 * time.Millisecond, SlotBytes: 4096, SyncInterval: eachFragment, FastStart: 16 << 10},
	"front is too small":    {Fragment: 200 * time.Millisecond, SlotBytes: 4096, SyncInterval: eachFragment, FastStart: 600},
	"first moov too large":  {Fragment: 200 * time.Millisecond, SlotBytes: 1024, SyncInterval: eachFragment},
	"fragments share syncs": {Fragment: 100 * time.Millisecond, SlotBytes: 4096},
}

// Whatever a power loss leaves of a session opens and has all that was synced
// before it.
func TestPowerLoss(t *testing.T) {
	parts := lateParts(t)
	for name, o := range powerShapes {
		t.Run(name, func(t *testing.T) {
			d := trouble.NewDisk(nil)
			if err := record(t, d, o, parts); err != nil {
				t.Fatal(err)
			}
			p := newPower(t, d, len(parts))
			images := 0
			for image := range d.PowerLoss(1, 12) {
				if p.check(t, image); t.Failed() {
					return
				}
				images++
			}
			t.Logf("%d images", images)
		})
	}
}

// power checks what is left of one session.
type power struct {
	path    string
	whole   reading
	durable []byte       // what least was made from
	least   judge.Tables // what has been synced
}

func newPower(t *testing.T, d *trouble.Disk, streams int) *power {
	t.Helper()
	p := &power{path: scratch(t, d.Bytes())}
	var err error
	if p.whole, err = read(t, p.path, false); err != nil || len(p.whole.streams) != streams {
		t.Fatalf("%d streams in the finished file: %v", len(p.whole.streams), err)
	}
	return p
}

func (p *power) check(t *testing.T, image trouble.Image) {
	t.Helper()
	if len(image.Durable) != len(p.durable) || len(p.durable) > 0 && &image.Durable[0] != &p.durable[0] {
		p.durable, p.least = image.Durable, judge.ListSamples(image.Durable)
	}
	if p.least.Timescale == 0 { // not even the front has been synced
		return
	}
	if err := os.WriteFile(p.path, image.Data, 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := read(t, p.path, false)
	if err != nil {
		t.Errorf("%s: %v", image.What, err)
		return
	}
	for i, tr := range p.least.Tracks {
		if i >= len(r.streams) || len(r.packets[i]) < len(tr.Samples) {
			t.Errorf("%s: stream %d of %d has too little, %d samples were synced: %v", image.What, i, len(r.streams), len(tr.Samples), r.err)
			return
		}
		for j, got := range r.packets[i][:len(tr.Samples)] {
			if got != p.whole.packets[i][j] {
				t.Errorf("%s: packet %d of stream %d is %+v, of the finished file %+v", image.What, j, i, got, p.whole.packets[i][j])
				return
			}
		}
	}
}
