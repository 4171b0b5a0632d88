package av

import (
	"slices"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
)

// hold makes the packets of a stream that were held, at the given times; the
// keyframes are negative.
func hold(t *testing.T, s *stream, times ...int64) []packet {
	t.Helper()
	var held []packet
	for _, at := range times {
		p := ffmpeg.NewPacket()
		t.Cleanup(p.Free)
		if err := p.SetData([]byte{0}, max(at, -at), max(at, -at), 10, at < 0); err != nil {
			t.Fatal(err)
		}
		held = append(held, packet{s, p})
	}
	return held
}

func testStream(t *testing.T, codec string, rate int) *stream {
	t.Helper()
	params, err := ffmpeg.NewCodecParams(ffmpeg.ParamsConfig{Codec: codec, TimeBaseDen: 1000, Rate: rate, Channels: min(rate, 1), Width: 64, Height: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(params.Close)
	return &stream{params: params, origin: 100}
}

func wantTimes(t *testing.T, held []packet, want ...int64) {
	t.Helper()
	var got []int64
	for _, p := range trim(held, true) {
		got = append(got, p.data.PTS())
	}
	if !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
}

func TestTrimKeepsPreroll(t *testing.T) {
	wantTimes(t, hold(t, testStream(t, "aac", 16000), 15, 25, 35, 45, 55, 65, 75, 85, 95, 105, 115), 55, 65, 75, 85, 95, 105, 115)
	wantTimes(t, hold(t, testStream(t, "aac", 16000), 95, 105), 95, 105)
	wantTimes(t, hold(t, testStream(t, "aac", 16000), 205, 215), 205, 215)
}

func TestTrimKeepsFromTheKeyframeOn(t *testing.T) {
	wantTimes(t, hold(t, testStream(t, "h264", 0), -35, 45, -65, 75, 85, 95, 105, -115), 65, 75, 85, 95, 105, 115)
	wantTimes(t, hold(t, testStream(t, "h264", 0), -100, 110), 100, 110)
	wantTimes(t, hold(t, testStream(t, "h264", 0), -205, 215), 205, 215)
}

// The packet of one picture does not account for the next one, which begins
// where it ends.
func TestPacketAccountsForItsOwnSamples(t *testing.T) {
	if got := hold(t, testStream(t, "h264", 0), 100)[0].through(); got != 100 {
		t.Errorf("a picture at 100 that lasts 10 accounts for all up to %d", got)
	}
	if got := hold(t, testStream(t, "aac", 16000), 100)[0].through(); got != 110 {
		t.Errorf("audio from 100 to 110 accounts for all up to %d", got)
	}
}
