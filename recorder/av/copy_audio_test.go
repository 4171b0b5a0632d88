package av_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A codedVoice is an encoded voice that beeps at each full second but the
// first. Its packets begin where its encoder's priming does, before zero.
type codedVoice struct {
	format  media.EncodedFormat
	rate    int
	packets [][]byte
	starts  []int64 // of the packets, in frames of decoded audio
	lengths []int64
}

// encodeVoice lets ffmpeg encode such a voice.
func encodeVoice(t *testing.T, seconds int, name string, args ...string) codedVoice {
	t.Helper()
	beeps := "aevalsrc=0.5*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.1)*gt(t\\,0.5):d=" + strconv.Itoa(seconds) + ":s=48000"
	return readVoice(t, judge.Make(t, name, append([]string{"-f", "lavfi", "-i", beeps}, args...)...))
}

// readVoice reads the first stream of a file.
func readVoice(t *testing.T, path string) codedVoice {
	t.Helper()
	in, err := ffmpeg.OpenInput(t.Context(), path, ffmpeg.InputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	params := in.Params(0)
	defer params.Close()
	v := codedVoice{rate: params.Rate()}
	v.format = media.EncodedFormat{Codec: media.Opus, Rate: v.rate, Channels: params.Channels()}
	at := -int64(params.InitialPadding())
	if params.Codec() == "aac" {
		v.format.Codec, v.format.Config = media.AAC, params.ExtraData()
		at = -1024 // the demuxer does not tell
	}
	for {
		p := ffmpeg.NewPacket()
		if _, err := in.Read(p); err != nil {
			p.Free()
			return v
		}
		v.add(t, bytes.Clone(p.Data()), &at)
		p.Free()
	}
}

func (v *codedVoice) add(t *testing.T, data []byte, at *int64) {
	t.Helper()
	n := 1024
	if v.format.Codec == media.Opus {
		var err error
		if n, err = bitstream.OpusDuration(data); err != nil {
			t.Fatal(err)
		}
	}
	v.packets, v.starts, v.lengths = append(v.packets, data), append(v.starts, *at), append(v.lengths, int64(n))
	*at += int64(n)
}

// until is the beginning of the voice.
func (v codedVoice) until(end time.Duration) codedVoice {
	n := 0
	for n < len(v.packets) && v.captured(n, 0) < end {
		n++
	}
	v.packets, v.starts, v.lengths = v.packets[:n], v.starts[:n], v.lengths[:n]
	return v
}

// captured is when a packet was, by a clock that runs so much too fast.
func (v codedVoice) captured(i int, ppm float64) time.Duration {
	return time.Duration(float64(v.starts[i]) / float64(v.rate) / (1 + ppm*1e-6) * float64(time.Second))
}

// beeps reports whether a beep begins in a packet or near it.
func (v codedVoice) beeps(i int) bool {
	const near = 60 * time.Millisecond
	at := (v.captured(i, 0) + near) % time.Second
	return at < 2*near+time.Duration(v.lengths[i])*time.Second/time.Duration(v.rate)
}

// A delivery of a voice: what of it comes, and with which stamps.
type codedDelivery struct {
	ppm    float64
	stamp  func(r *rand.Rand, at time.Duration) time.Duration
	absent func(r *rand.Rand, v codedVoice, i int) bool
	silent bool // nobody tells what is lost
	adts   int  // frames in a sample with headers; 0 for raw ones

	unheard int // beeps that are absent
}

func (d codedDelivery) record(t *testing.T, v codedVoice, cfg recorder.Config) recorder.Result {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	rec := start(t, cfg)
	f := v.format
	if d.adts > 0 {
		f.Packing, f.Config = media.ADTS, nil
	}
	track := addTrack(t, rec, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Encoded: f})
	lost, pool := 0, &media.EncodedPool{}
	for i := 0; i < len(v.packets); i++ {
		if d.absent != nil && d.absent(r, v, i) {
			lost++
			continue
		}
		at := v.captured(i, d.ppm)
		if d.stamp != nil {
			at = d.stamp(r, at)
		}
		data := v.packets[i]
		if d.adts > 0 {
			data = nil
			for k := i; k < min(i+d.adts, len(v.packets)); k++ {
				data = append(data, withADTS(v.packets[k], v.format.Config)...)
			}
			i += d.adts - 1
		}
		e := pool.Get(&f, len(data))
		copy(e.Data, data)
		if !d.silent {
			e.Lost = lost
		}
		lost = 0
		write(t, track, media.Sample{Time: time.Hour + at, Encoded: e})
		e.Release()
	}
	result := stop(t, rec)
	balanced(t, result)
	return result
}

// withADTS puts the header before a frame that its configuration stands for.
func withADTS(frame, config []byte) []byte {
	n := len(frame) + 7
	object, rate, layout := config[0]>>3, config[0]&7<<1|config[1]>>7, config[1]>>3&15
	return append([]byte{0xFF, 0xF1, (object-1)<<6 | rate<<2 | layout>>2, layout<<6 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1F, 0xFC}, frame...)
}

// heard decodes the first voice with one of FFmpeg's decoders and returns the
// frames and where beeps begin.
func heard(t *testing.T, path, decoder string, rate int) (frames int, beeps []time.Duration) {
	t.Helper()
	out := judge.Run(t, "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-c:a", decoder, "-i", path, "-map", "0:a:0", "-ac", "1", "-f", "s16le", "-")
	quiet := rate
	for i := range len(out) / 2 {
		v := int16(uint16(out[2*i]) | uint16(out[2*i+1])<<8)
		if v > -4000 && v < 4000 {
			quiet++
			continue
		}
		if quiet > rate/5 {
			beeps = append(beeps, time.Duration(i)*time.Second/time.Duration(rate))
		}
		quiet = 0
	}
	return len(out) / 2, beeps
}

// inFile returns the packets of the first track.
func inFile(t *testing.T, path string) (data [][]byte, track *mp4.TrackInfo) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	movie, err := mp4.Read(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range movie.Tracks[0].Samples() {
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, s.Size)
		if _, err := file.ReadAt(b, s.Offset); err != nil {
			t.Fatal(err)
		}
		data = append(data, b)
	}
	return data, movie.Tracks[0]
}

// wantBytes checks that the packets that came are in the file, bit for bit and
// in their order; between them may be silence, which has a few bytes.
func wantBytes(t *testing.T, path string, sent [][]byte, missing int) (silences int) {
	t.Helper()
	got, _ := inFile(t, path)
	next, left := 0, 0
	for _, b := range got {
		i := slices.IndexFunc(sent[next:min(next+1+missing-left, len(sent))], func(s []byte) bool { return bytes.Equal(s, b) })
		switch {
		case i >= 0:
			left += i
			next += i + 1
		case len(b) <= 100:
			silences++
		default:
			t.Fatalf("%d bytes behind packet %d are none of those that came", len(b), next)
		}
	}
	if left += len(sent) - next; left > missing { // silent packets may be alike
		t.Errorf("%d packets of %d are not in the file, want %d", left, len(sent), missing)
	}
	return silences
}

var decoders = map[media.Codec][]string{media.Opus: {"opus", "libopus"}, media.AAC: {"aac"}}

// wantHeard checks how much is decoded, and that each beep is where it was
// captured. The file begins with the first packet.
func wantHeard(t *testing.T, result recorder.Result, v codedVoice, d codedDelivery, tolerance time.Duration) {
	t.Helper()
	last := len(v.packets) - 1
	first := v.captured(0, d.ppm)
	want := v.captured(last, d.ppm) - first + time.Duration(v.lengths[last])*time.Second/time.Duration(v.rate)
	tolerance += time.Microsecond
	for _, decoder := range decoders[v.format.Codec] {
		frames, beeps := heard(t, result.Path, decoder, v.rate)
		near(t, decoder+": decoded", time.Duration(frames)*time.Second/time.Duration(v.rate), want, tolerance)
		worst := time.Duration(0)
		n := int(v.captured(last, 0)/time.Second) - d.unheard
		for _, b := range beeps {
			second := math.Round((b + first).Seconds())
			at := time.Duration(second/(1+d.ppm*1e-6)*float64(time.Second)) - first
			worst = max(worst, (b - at).Abs())
		}
		if len(beeps) != n || worst > tolerance+3*time.Millisecond {
			t.Errorf("%s: %d beeps, want %d, off by up to %v", decoder, len(beeps), n, worst)
		}
		t.Logf("%s: %d frames, want %.1f; %d beeps off by up to %v", decoder, frames, want.Seconds()*float64(v.rate), len(beeps), worst)
	}
}

// Opus of any packets is in the file as it came.
func TestCopyOpus(t *testing.T) {
	t.Parallel()
	judge.Need(t, "ffmpeg")
	for _, ms := range []string{"2.5", "5", "10", "20", "40", "60"} {
		for _, application := range []string{"voip", "audio"} {
			t.Run(ms+application, func(t *testing.T) {
				if application == "voip" && len(ms) == 1 || ms == "2.5" && application == "voip" {
					t.Skip("no SILK in short frames")
				}
				v := encodeVoice(t, 5, "a.ogg", "-c:a", "libopus", "-b:a", "24k", "-application", application, "-frame_duration", ms)
				d := codedDelivery{}
				result := d.record(t, v, recorder.Config{})
				if n := wantBytes(t, result.Path, v.packets, 0); n != 0 {
					t.Errorf("%d packets of silence", n)
				}
				wantHeard(t, result, v, d, 0)
				judge.DecodesClean(t, result.Path)
			})
		}
	}
}

func TestCopyAAC(t *testing.T) {
	t.Parallel()
	judge.Need(t, "ffmpeg")
	for _, rate := range []string{"16000", "44100", "48000"} {
		for _, adts := range []int{0, 1, 5} {
			for _, channels := range []string{"1", "2"} {
				t.Run(fmt.Sprint(rate, adts, channels), func(t *testing.T) {
					v := encodeVoice(t, 5, "a.m4a", "-c:a", "aac", "-ar", rate, "-ac", channels)
					d := codedDelivery{adts: adts}
					result := d.record(t, v, recorder.Config{})
					if n := wantBytes(t, result.Path, v.packets, 0); n != 0 {
						t.Errorf("%d packets of silence", n)
					}
					wantHeard(t, result, v, d, 0)
					judge.DecodesClean(t, result.Path)
				})
			}
		}
	}
}

// rounded stamps are whole milliseconds, as Matroska has them.
func rounded(_ *rand.Rand, at time.Duration) time.Duration { return at.Round(time.Millisecond) }

func shaken(r *rand.Rand, at time.Duration) time.Duration {
	return at + time.Duration((2*r.Float64()-1)*float64(20*time.Millisecond))
}

// What is missing is silence of the same length, whether it was lost, or not
// sent because nobody spoke, or for half a minute.
func TestCopyOverGaps(t *testing.T) {
	t.Parallel()
	judge.Need(t, "ffmpeg")
	lossy := func(r *rand.Rand, v codedVoice, i int) bool {
		return r.Float64() < 0.05 && !v.beeps(i) && i > 0 && i < len(v.packets)-1
	}
	comfort := func(_ *rand.Rand, v codedVoice, i int) bool { // one packet in twenty while it is quiet
		at := v.captured(i, 0) % time.Second
		return i > 0 && i%20 != 0 && at > 200*time.Millisecond && at < 900*time.Millisecond && i < len(v.packets)-1
	}
	muted := func(_ *rand.Rand, v codedVoice, i int) bool {
		at := v.captured(i, 0)
		return at > 3500*time.Millisecond && at < 33500*time.Millisecond
	}
	voices := []codedVoice{
		encodeVoice(t, 40, "a.ogg", "-c:a", "libopus", "-b:a", "24k", "-application", "voip"), encodeVoice(t, 40, "a.m4a", "-c:a", "aac"),
	}
	for name, c := range map[string]struct {
		seconds   int
		d         codedDelivery
		tolerance time.Duration // beyond the grain's
	}{
		"loss":         {20, codedDelivery{absent: lossy}, 0},
		"loss ms":      {20, codedDelivery{absent: lossy, stamp: rounded}, 0},
		"loss untold":  {20, codedDelivery{absent: lossy, silent: true}, 0},
		"loss, jitter": {20, codedDelivery{absent: lossy, stamp: shaken}, 10 * time.Millisecond},
		"dtx":          {20, codedDelivery{absent: comfort, silent: true}, 0},
		"30 s":         {40, codedDelivery{absent: muted, silent: true, unheard: 30}, 0},
		"30 s, jitter": {40, codedDelivery{absent: muted, silent: true, stamp: shaken, unheard: 30}, 10 * time.Millisecond},
		"jitter":       {20, codedDelivery{stamp: shaken}, 10 * time.Millisecond},
		"ms":           {20, codedDelivery{stamp: rounded}, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range voices {
				v = v.until(time.Duration(c.seconds)*time.Second - 500*time.Millisecond)
				if v.format.Codec == media.AAC && name == "loss, jitter" {
					continue // ±half of a frame and jitter
				}
				result := c.d.record(t, v, recorder.Config{})
				tr := result.Tracks[0]
				missing := len(v.packets) - int(tr.SamplesIn)
				n := wantBytes(t, result.Path, v.packets, missing+int(tr.Losses()))
				if missing > 0 && n == 0 || missing == 0 && n > 0 || tr.Losses() > 0 {
					t.Errorf("%d packets of silence for %d that are missing, dropped %v", n, missing, tr.Dropped)
				}
				grain := 1250 * time.Microsecond
				if v.format.Codec == media.AAC {
					grain = 11 * time.Millisecond
				}
				if c.d.stamp == nil && name != "loss" { // these are whole packets
					grain = 0
				}
				wantHeard(t, result, v, c.d, c.tolerance+grain)
				judge.DecodesClean(t, result.Path)
			}
		})
	}
}

// Two minutes, or ten in a sweep, of a source whose clock is off: Opus stays within 10 ms, AAC
// within half of a frame, and what is left out is counted.
func TestCopyDrift(t *testing.T) {
	t.Parallel()
	judge.Need(t, "ffmpeg")
	length := 120
	if fullSweep() {
		length = 600
	}
	opus := encodeVoice(t, length, "a.ogg", "-c:a", "libopus", "-b:a", "24k", "-application", "voip")
	aac := encodeVoice(t, length, "a.m4a", "-c:a", "aac")
	for _, ppm := range []float64{200, -200} {
		for _, v := range []codedVoice{opus, aac} {
			t.Run(fmt.Sprint(v.format.Codec, ppm), func(t *testing.T) {
				d := codedDelivery{ppm: ppm}
				result := d.record(t, v, recorder.Config{})
				tr := result.Tracks[0]
				tolerance, step := 10*time.Millisecond, 5*time.Millisecond
				if v.format.Codec == media.AAC {
					tolerance, step = 14*time.Millisecond, 1024*time.Second/48000
				}
				wantHeard(t, result, v, d, tolerance)
				surplus := tr.Dropped[recorder.DropSurplus]
				want := int64(time.Duration(length) * 200 * time.Microsecond / step)
				if ppm < 0 {
					want = 0
				}
				if surplus < want-2 || surplus > want+2 || tr.Losses() != surplus || math.Abs(tr.RatePPM-ppm) > 1 {
					t.Errorf("dropped %v, want about %d; %.1f ppm", tr.Dropped, want, tr.RatePPM)
				}
				wantBytes(t, result.Path, v.packets, int(surplus))
				t.Logf("left out %d, largest error %v", surplus, tr.LargestCorrection)
			})
		}
	}
}
