package ffmpeg

import (
	"slices"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

func TestAlsaCapture(t *testing.T) {
	const cards = ` 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xf7d10000 irq 32
 1 [Loopback       ]: Loopback - Loopback
                      Loopback 1
`
	const pcm = `00-00: ALC269VC Analog : ALC269VC Analog : playback 1 : capture 1
00-03: HDMI 0 : HDMI 0 : playback 1
01-01: Loopback PCM : Loopback PCM : playback 8 : capture 8
`
	got, err := alsaCapture(strings.NewReader(cards), strings.NewReader(pcm))
	if err != nil {
		t.Fatal(err)
	}
	want := []Device{
		{media.KindAudio, "alsa", "plughw:CARD=PCH,DEV=0", "PCH, ALC269VC Analog", true},
		{media.KindAudio, "alsa", "plughw:CARD=Loopback,DEV=1", "Loopback, Loopback PCM", false},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
