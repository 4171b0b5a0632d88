package testpattern

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

var allPixels = []media.PixelFormat{media.I420, media.NV12, media.RGB24, media.BGR24, media.RGBA, media.BGRA}

// run plays a pattern with a duration to its end on a virtual clock.
func run(t *testing.T, o Options, onSample func(media.Kind, media.Sample, bool), kinds ...media.Kind) *sinktest.Sink {
	t.Helper()
	clock := media.NewVirtualClock()
	sink := sinktest.New(onSample)
	conn := connect(t, o, sinktest.Session(clock, kinds...), sink)
	if !sink.WaitEnd(patience) {
		t.Fatal("the pattern did not end")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if ends := sink.Ends(); len(ends) != 1 || ends[0] != nil {
		t.Fatalf("End was called with %v, want once with nil", ends)
	}
	if now := clock.Now(); now != o.Duration {
		t.Errorf("the clock stands at %v after the end, want %v", now, o.Duration)
	}
	return sink
}

func connect(t *testing.T, o Options, s backend.Session, sink backend.Sink) backend.Conn {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := b.Connect(t.Context(), s, sink)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestCountsAndTimesAreExact(t *testing.T) {
	var pictures, packets, frames int
	run(t, Options{Duration: 10*time.Second + 5*time.Millisecond, Rate: 44100, Channels: 2}, func(k media.Kind, s media.Sample, waited bool) {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		if !waited {
			t.Error("Push was used by a source that can wait")
		}
		if k == media.KindVideo {
			if want := time.Duration(math.Round(float64(pictures) * 1e9 / 30)); s.Time != want {
				t.Errorf("picture %d at %v, want %v", pictures, s.Time, want)
			}
			pictures++
			return
		}
		if want := s.PCM.Format.Duration(frames); s.Time != want {
			t.Errorf("packet %d at %v, want %v", packets, s.Time, want)
		}
		packets++
		frames += s.PCM.Frames()
	})
	// The last picture is the one captured at 10 s; the last packet has 5 ms.
	if pictures != 301 || packets != 501 || frames != 441220 {
		t.Errorf("%d pictures, %d packets, %d frames, want 301, 501, 441220", pictures, packets, frames)
	}
}

func TestFormatsAreDeclared(t *testing.T) {
	sink := run(t, Options{Duration: time.Second, Width: 1280, Height: 720, FPS: 25, Pixel: media.NV12}, nil)
	tracks := sink.Tracks()
	want := []backend.Track{
		{Kind: media.KindVideo, Video: media.VideoFormat{Pixel: media.NV12, Width: 1280, Height: 720, Color: media.BT709, Rate: 25}},
		{Kind: media.KindAudio, Audio: media.AudioFormat{Rate: 48000, Channels: 1}},
	}
	if !reflect.DeepEqual(tracks, want) {
		t.Errorf("tracks %+v, want %+v", tracks, want)
	}
}

func TestOnlyWhatIsWanted(t *testing.T) {
	count := func(o Options, kinds ...media.Kind) (seen []media.Kind) {
		o.Duration = time.Second
		sink := run(t, o, nil, kinds...)
		for _, tr := range sink.Tracks() {
			seen = append(seen, tr.Kind)
		}
		return seen
	}
	for _, c := range []struct {
		name string
		got  []media.Kind
		want []media.Kind
	}{
		{"session without video", count(Options{}, media.KindAudio), []media.Kind{media.KindAudio}},
		{"session without audio", count(Options{}, media.KindVideo), []media.Kind{media.KindVideo}},
		{"NoVideo", count(Options{NoVideo: true}), []media.Kind{media.KindAudio}},
		{"NoAudio", count(Options{NoAudio: true}), []media.Kind{media.KindVideo}},
		{"Screen", count(Options{Screen: true}), []media.Kind{media.KindScreen, media.KindAudio}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}

	b, err := New(Options{NoAudio: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Connect(t.Context(), sinktest.Session(media.NewVirtualClock(), media.KindAudio), sinktest.New(nil)); !errors.Is(err, backend.ErrNoMedia) {
		t.Errorf("Connect without a wanted stream: %v, want ErrNoMedia", err)
	}
}

func TestLivePushes(t *testing.T) {
	run(t, Options{Duration: time.Second, Live: true}, func(_ media.Kind, _ media.Sample, waited bool) {
		if waited {
			t.Error("a live source waited")
		}
	})
}

// brightness returns the value of a picture that is all black or all white,
// and fails if a pixel differs from the others.
func brightness(t *testing.T, p *media.Picture) byte {
	t.Helper()
	luma, data := p.Planes[0].Data[0], p.Planes[0].Data
	switch p.Format.Pixel {
	case media.I420, media.NV12:
		for _, chroma := range p.Planes[1:] {
			if bytes.Count(chroma.Data, []byte{128}) != len(chroma.Data) {
				t.Fatal("the picture has a hue")
			}
		}
	case media.RGBA, media.BGRA:
		data = bytes.Clone(data)
		for i := 3; i < len(data); i += 4 {
			data[i] = luma
		}
	}
	if bytes.Count(data, []byte{luma}) != len(data) {
		t.Fatal("the picture is not of one colour")
	}
	return luma
}

func TestFlashAndBeepAreExactInEveryFormat(t *testing.T) {
	for _, pixel := range allPixels {
		t.Run(pixel.String(), func(t *testing.T) {
			blackLevel, whiteLevel := byte(0), byte(255)
			if pixel == media.I420 || pixel == media.NV12 {
				blackLevel, whiteLevel = 16, 235
			}
			const rate = 48000
			audio := make([]int16, 0, 4*rate)
			flashes := 0
			run(t, Options{Pattern: AVSync, Pixel: pixel, Width: 33, Height: 17, Duration: 3500 * time.Millisecond}, func(k media.Kind, s media.Sample, _ bool) {
				if k == media.KindAudio {
					audio = appendS16(audio, s.PCM.Data)
					return
				}
				want := blackLevel
				if s.Time >= time.Second && s.Time%time.Second < 100*time.Millisecond {
					want = whiteLevel
					flashes++
				}
				if got := brightness(t, s.Picture); got != want {
					t.Errorf("picture at %v has level %d, want %d", s.Time, got, want)
				}
			})
			if flashes != 9 { // at 30 a second, three pictures in each 100 ms
				t.Errorf("%d white pictures, want 9", flashes)
			}
			checkBeeps(t, audio, rate)
		})
	}
}

func appendS16(to []int16, data []byte) []int16 {
	for i := 0; i < len(data); i += 2 {
		to = append(to, int16(binary.LittleEndian.Uint16(data[i:])))
	}
	return to
}

func checkBeeps(t *testing.T, audio []int16, rate int) {
	t.Helper()
	if want := rate * 7 / 2; len(audio) != want {
		t.Fatalf("%d frames of audio, want %d", len(audio), want)
	}
	for i, got := range audio {
		want := 0.0
		if i >= rate && i%rate < rate/10 {
			want = 0.8 * math.MaxInt16 * math.Sin(2*math.Pi*1000*float64(i%rate)/float64(rate))
		}
		if math.Abs(float64(got)-want) > 0.51 {
			t.Fatalf("frame %d is %d, want %.2f", i, got, want)
		}
	}
}

func TestFlashAtMatchesRatesThatDoNotDivideASecond(t *testing.T) {
	run(t, Options{Pattern: AVSync, FPS: 29.97, Rate: 11025, Jitter: 0.4, Width: 2, Height: 2, Duration: 5 * time.Second}, func(k media.Kind, s media.Sample, _ bool) {
		if k == media.KindVideo && FlashAt(s.Time) != (s.Picture.Planes[0].Data[0] == 235) {
			t.Errorf("the picture at %v does not follow its time", s.Time)
		}
	})
}

func TestToneHasItsFrequency(t *testing.T) {
	for _, tone := range []int{440, 659} {
		var audio []int16
		run(t, Options{NoVideo: true, Tone: tone, Rate: 16000, Duration: 3 * time.Second}, func(_ media.Kind, s media.Sample, _ bool) {
			audio = appendS16(audio, s.PCM.Data)
		})
		rising := 0
		for i := 1; i < len(audio); i++ {
			if audio[i-1] < 0 && audio[i] >= 0 {
				rising++
			}
		}
		if rising < 3*tone-2 || rising > 3*tone {
			t.Errorf("%d Hz: %d periods in 3 s", tone, rising)
		}
	}
}

func TestJitterIsSeededAndBounded(t *testing.T) {
	times := func(seed uint64) (all []time.Duration) {
		run(t, Options{NoAudio: true, Jitter: 0.3, Seed: seed, Duration: 4 * time.Second, Width: 16, Height: 16}, func(_ media.Kind, s media.Sample, _ bool) {
			all = append(all, s.Time)
		})
		return all
	}
	a, again, other := times(1), times(1), times(2)
	if len(a) != 120 {
		t.Fatalf("%d pictures, want 120", len(a))
	}
	if !slices.Equal(a, again) {
		t.Error("the same seed gave other times")
	}
	if slices.Equal(a, other) {
		t.Error("another seed gave the same times")
	}
	var widest float64
	for n, at := range a {
		off := (float64(at) - float64(n)*1e9/30) / (1e9 / 30)
		widest = max(widest, math.Abs(off))
	}
	if a[0] != 0 || widest > 0.3001 || widest < 0.2 {
		t.Errorf("first picture at %v, widest deviation %.3f intervals, want 0 and at most 0.3", a[0], widest)
	}
}

func TestStartGateHoldsBothStreams(t *testing.T) {
	gate := make(chan struct{})
	first := map[media.Kind]time.Duration{}
	sink := sinktest.New(func(k media.Kind, s media.Sample, _ bool) {
		if _, ok := first[k]; !ok {
			first[k] = s.Time
		}
	})
	clock := media.NewVirtualClock()
	conn := connect(t, Options{Duration: time.Second, Start: gate}, sinktest.Session(clock), sink)
	defer conn.Close()
	clock.Advance(7 * time.Second) // as if setting up had taken that long
	if sink.WaitEnd(50 * time.Millisecond) {
		t.Fatal("the source ran before its start")
	}
	close(gate)
	if !sink.WaitEnd(patience) {
		t.Fatal("the source did not start")
	}
	for _, k := range []media.Kind{media.KindVideo, media.KindAudio} {
		if first[k] != 7*time.Second {
			t.Errorf("%v starts at %v, want 7s", k, first[k])
		}
	}
	if now := clock.Now(); now != 8*time.Second {
		t.Errorf("the source ends at %v, want 8s", now)
	}
}

// Sources that are connected one after the other while a pacer is held awake
// begin at one instant.
func TestSourcesStartTogetherOnAVirtualClock(t *testing.T) {
	clock := media.NewVirtualClock()
	hold := clock.NewPacer()
	var sinks []*sinktest.Sink
	for range 3 {
		first := true
		sink := sinktest.New(func(_ media.Kind, s media.Sample, _ bool) {
			if first && s.Time != 0 {
				t.Errorf("a source starts at %v", s.Time)
			}
			first = false
		})
		defer connect(t, Options{Duration: time.Second, Width: 16, Height: 16}, sinktest.Session(clock), sink).Close()
		sinks = append(sinks, sink)
	}
	hold.Close()
	for _, s := range sinks {
		if !s.WaitEnd(patience) {
			t.Fatal("a source did not end")
		}
	}
}

func TestCloseEndsAnEndlessSource(t *testing.T) {
	for _, gated := range []bool{false, true} {
		o := Options{Width: 64, Height: 48}
		if gated {
			o.Start = make(chan struct{})
		}
		sink := sinktest.New(nil)
		conn := connect(t, o, sinktest.Session(media.NewRealClock()), sink)
		time.Sleep(30 * time.Millisecond)
		for range 2 {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		if ends := sink.Ends(); len(ends) != 0 {
			t.Errorf("gated %v: End was called with %v although the session was closed from outside", gated, ends)
		}
	}
}

func TestPicturesAllocateNothing(t *testing.T) {
	for _, pixel := range allPixels {
		o := Options{Pixel: pixel}.withDefaults()
		for _, p := range []painter{newMovingPainter(o.video(), "ada"), newFlashPainter(o.video())} {
			n := 0
			allocs := testing.AllocsPerRun(50, func() {
				p.paint(n, time.Duration(n)*33*time.Millisecond).Release()
				n++
			})
			if allocs != 0 {
				t.Errorf("%v %T: %v allocations per picture", pixel, p, allocs)
			}
		}
	}
}

// Whatever the size, nothing is drawn outside the picture and all of it is
// drawn.
func TestAllSizes(t *testing.T) {
	for _, pixel := range allPixels {
		for _, size := range [][2]int{{1, 1}, {2, 3}, {7, 100}, {100, 7}, {161, 121}, {1920, 1081}} {
			f := media.VideoFormat{Pixel: pixel, Width: size[0], Height: size[1]}
			m := newMovingPainter(f, "a name that is far too long for the picture, with ümläuts")
			for _, since := range []time.Duration{0, 1999 * time.Millisecond, 100 * time.Hour} {
				p := m.paint(123456789, since)
				if err := p.Validate(); err != nil {
					t.Errorf("%v: %v", f, err)
				}
				p.Release()
			}
		}
	}
}

// The picture must look the same in every format: it is compared through the
// luma of I420 at places of one colour.
func TestFormatsShowTheSame(t *testing.T) {
	reference := newMovingPainter(Options{}.withDefaults().video(), "ada").paint(42, 1500*time.Millisecond)
	for _, pixel := range allPixels[1:] {
		p := newMovingPainter(Options{Pixel: pixel}.withDefaults().video(), "ada").paint(42, 1500*time.Millisecond)
		for y := 0; y < 480; y++ {
			for x := 0; x < 640; x++ {
				want := int(reference.Planes[0].Data[y*640+x])
				if got := lumaAt(p, x, y); got < want-1 || got > want+1 {
					t.Fatalf("%v at %d,%d: luma %d, want %d", pixel, x, y, got, want)
				}
			}
		}
	}
}

func lumaAt(p *media.Picture, x, y int) int {
	plane := p.Planes[0]
	px := func(n, r, b int) int {
		at := plane.Data[y*plane.Stride+n*x:]
		return int(inkFor(media.VideoFormat{}, rgb{at[r], at[1], at[b]})[0])
	}
	switch p.Format.Pixel {
	case media.RGB24:
		return px(3, 0, 2)
	case media.BGR24:
		return px(3, 2, 0)
	case media.RGBA:
		return px(4, 0, 2)
	case media.BGRA:
		return px(4, 2, 0)
	}
	return int(plane.Data[y*plane.Stride+x])
}

func TestPicturesDifferFromEachOther(t *testing.T) {
	m := newMovingPainter(Options{}.withDefaults().video(), "ada")
	a, b := m.paint(0, 0), m.paint(1, 33*time.Millisecond)
	if bytes.Equal(a.Planes[0].Data, b.Planes[0].Data) {
		t.Error("two pictures are alike")
	}
	b.Release()
	if c := m.paint(0, 0); !bytes.Equal(a.Planes[0].Data, c.Planes[0].Data) {
		t.Error("a picture from the pool shows traces of an earlier one")
	}
}

func TestInk(t *testing.T) {
	for _, c := range []struct {
		f    media.VideoFormat
		in   rgb
		want ink
	}{ // ITU-R BT.601 and BT.709, limited range
		{media.VideoFormat{Height: 480}, white, ink{235, 128, 128}},
		{media.VideoFormat{Height: 480}, rgb{255, 0, 0}, ink{81, 90, 240}},
		{media.VideoFormat{Height: 720}, rgb{255, 0, 0}, ink{63, 102, 240}},
		{media.VideoFormat{Height: 720}, rgb{0, 0, 255}, ink{32, 240, 118}},
		{media.VideoFormat{Pixel: media.BGRA}, rgb{1, 2, 3}, ink{3, 2, 1, 255}},
	} {
		if got := inkFor(c.f, c.in); got != c.want {
			t.Errorf("%v of %v: %v, want %v", c.in, c.f, got, c.want)
		}
	}
}

func TestClockText(t *testing.T) {
	for at, want := range map[time.Duration]string{
		0:                                        "00:00.000",
		12*time.Second + 345678*time.Microsecond: "00:12.345",
		61*time.Second + time.Millisecond:        "01:01.001",
		100*time.Hour + 999900*time.Microsecond:  "6000:00.999",
	} {
		if got := string(appendClock(nil, at)); got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for _, o := range []Options{
		{Pattern: 7}, {NoVideo: true, NoAudio: true}, {Width: -1}, {Height: 20000}, {Pixel: 9},
		{FPS: -1}, {FPS: math.NaN()}, {FPS: math.Inf(1)}, {Jitter: 0.5}, {Jitter: math.NaN()},
		{Rate: -1}, {Channels: 3}, {Packet: time.Microsecond}, {Tone: 24001}, {Tone: -1},
		{Duration: -1}, {Pattern: AVSync, Rate: 1500},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestConnectHonoursItsContext(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Connect(ctx, sinktest.Session(media.NewVirtualClock()), sinktest.New(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func BenchmarkPicture(b *testing.B) {
	for _, o := range []Options{{}, {Pixel: media.RGB24}, {Width: 1280, Height: 720}, {Width: 1280, Height: 720, Pixel: media.BGRA}} {
		o = o.withDefaults()
		b.Run(fmt.Sprint(o.video()), func(b *testing.B) {
			m := newMovingPainter(o.video(), "ada")
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				m.paint(n, time.Duration(n)*33*time.Millisecond).Release()
			}
		})
	}
}
