package mp4

import (
	"bytes"
	"slices"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

// The edit list of a finished file shows every sample, whatever the order and
// times of pictures, and never points before the media.
func TestEditsShowEverything(t *testing.T) {
	for name, c := range map[string]struct {
		timescale uint32
		samples   []Sample // their durations are 3000, but what the next tells
		want      []edit
	}{
		"regular": {90000, []Sample{{DTS: 0, PTS: 3000}, {DTS: 3000, PTS: 6000}}, []edit{
			{3000, -1}, {6000, 3000}}},
		"last picture late": {90000, []Sample{{DTS: 0, PTS: 3000}, {DTS: 3000, PTS: 90000}, {DTS: 6000, PTS: 6000}}, []edit{
			{3000, -1}, {90000, 3000}}},
		"group not complete": {90000, []Sample{{DTS: -3000, PTS: 0}, {DTS: 0, PTS: 9000}}, []edit{
			{12000, 3000}}},
		"shown before it is decoded": {90000, []Sample{{DTS: 9000, PTS: 8999}, {DTS: 12000, PTS: 12000}}, []edit{
			{9000, -1}, {6000, 0}}},
		"late by less than the movie can say": {192000, []Sample{{DTS: 1, PTS: 1}}, []edit{
			{1407, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := NewWriter(trouble.NewDisk(nil), Options{})
			if err != nil {
				t.Fatal(err)
			}
			track, err := w.AddTrack(TrackConfig{Codec: VP8{Width: 16, Height: 16}, Timescale: c.timescale})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range c.samples {
				s.Duration, s.Data = 3000, bytes.Repeat([]byte{1}, 20)
				if err := track.Write(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := track.describeFinished().edits; !slices.Equal(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
