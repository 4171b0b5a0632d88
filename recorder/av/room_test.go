package av_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// stage is a backend whose participants say and show what the test tells them.
type stage struct {
	mu    sync.Mutex
	lines map[string]*stageLine
}

type stageLine struct {
	sink     backend.Sink
	mic, cam backend.TrackSink
}

var (
	stageMic = media.AudioFormat{Rate: 16000, Channels: 1}
	stageCam = media.VideoFormat{Width: 640, Height: 480, Color: media.BT601, Rate: 5}
)

func (s *stage) Name() string { return "stage" }

func (s *stage) Connect(_ context.Context, who backend.Session, sink backend.Sink) (backend.Conn, error) {
	mic, err := sink.AddTrack(backend.Track{Kind: media.KindAudio, Audio: stageMic})
	if err != nil {
		return nil, err
	}
	l := &stageLine{sink: sink, mic: mic}
	if who.Wants(media.KindVideo) {
		if l.cam, err = sink.AddTrack(backend.Track{Kind: media.KindVideo, Video: stageCam}); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[who.Participant] = l
	return l, nil
}

func (l *stageLine) Close() error { return nil }

// script says what a participant says and shows at a time: a tone in Hz, a
// colour (Y, Cb, Cr) in pictures of a size. Nothing if they are not there.
type script func(at time.Duration) (cue, bool)

type cue struct {
	hz     float64
	colour [3]byte
	size   [2]int
}

var stageColours = [][3]byte{{81, 90, 240}, {145, 54, 34}, {41, 240, 110}, {210, 16, 146}, {170, 166, 16}} // red, green, blue, yellow, cyan

const black = "black" // what is seen of a participant who is away

func alice(at time.Duration) (cue, bool) {
	sec := int(at / time.Second)
	size := [2]int{640, 480}
	if sec >= 13 {
		size = [2]int{1280, 720}
	}
	if sec >= 26 {
		size = [2]int{480, 640}
	}
	return cue{hz: 300 + 25*float64(sec), colour: stageColours[sec%5], size: size}, at < 40*time.Second
}

func bob(at time.Duration) (cue, bool) {
	sec := int(at / time.Second)
	c := cue{hz: 1500 - 25*float64(sec), colour: stageColours[(sec+2)%5], size: [2]int{640, 480}}
	return c, sec >= 10 && sec < 20 || sec >= 30 && sec < 36
}

// Three are in a room. Alice turns her camera's size twice; Bob comes late,
// leaves, by himself or because his line breaks, and returns; Carol never
// sends anything. Second by second, the file shows and plays what was planned.
func TestThreeInARoom(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, hangsUp := range []bool{false, true} {
		t.Run(fmt.Sprintf("hang-up %v", hangsUp), func(t *testing.T) {
			result := recordRoom(t, hangsUp)
			balanced(t, result)
			for _, tr := range result.Tracks {
				if tr.Losses() != 0 || (tr.SamplesIn == 0) != (tr.Participant == "carol") {
					t.Errorf("track of %s: %d in, %d written, lost %v", tr.Participant, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
				}
			}
			f := judge.Probe(t, result.Path)
			if len(f.Of("audio")) != 2 || len(f.Of("video")) != 2 || len(result.Tracks) != 6 {
				t.Fatalf("%d audio and %d video tracks in the file, %d in the result, want two, two and six",
					len(f.Of("audio")), len(f.Of("video")), len(result.Tracks))
			}
			near(t, "file's duration", f.Length(), 40*time.Second, 10*time.Millisecond)
			for i, plan := range []script{alice, bob} {
				wantTones(t, plan, judge.Audio(t, result.Path, i, 16000))
				wantColours(t, plan, decodeThumbs(t, result.Path, i))
			}
		})
	}
}

func recordRoom(t *testing.T, hangsUp bool) recorder.Result {
	t.Helper()
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{lines: map[string]*stageLine{}}
	clock := media.NewVirtualClock()
	kit := roomkit.New(roomkit.WithClock(clock))
	defer kit.Close(context.Background())
	if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel("stage", s)); err != nil {
		t.Fatal(err)
	}
	cfg := recorder.Config{Storage: t.TempDir(), VideoCodec: "libx264", AudioSampleRate: 16000}
	if _, err := kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: rec, Config: cfg})); err != nil {
		t.Fatal(err)
	}
	sessions := map[string]*roomkit.Session{}
	play := func(who string, plan script, at time.Duration) {
		_, there := plan(at)
		switch session := sessions[who]; {
		case there && session == nil:
			if sessions[who], err = kit.Join(t.Context(), "room", "stage", roomkit.WithParticipant(who)); err != nil {
				t.Fatal(err)
			}
		case !there && session != nil:
			if hangsUp {
				s.lines[who].sink.End(nil)
				<-session.Done()
			} else if err := kit.Leave(t.Context(), session.ID()); err != nil {
				t.Fatal(err)
			}
			sessions[who] = nil
		}
		if there {
			s.lines[who].perform(t, plan, at)
		}
	}
	silent := func(time.Duration) (cue, bool) { return cue{}, true }
	for at := time.Duration(0); at < 40*time.Second; at += 20 * time.Millisecond {
		clock.Advance(20 * time.Millisecond) // a packet comes when it is over
		play("alice", alice, at)
		play("bob", bob, at)
		play("carol", silent, at)
	}
	results, err := kit.CloseRoom(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// perform sends the packet, and the picture if there is one, of a time.
func (l *stageLine) perform(t *testing.T, plan script, at time.Duration) {
	t.Helper()
	c, _ := plan(at)
	if c.hz == 0 {
		return
	}
	since := at % time.Second
	pcm := sine(stageMic, since, 20*time.Millisecond, c.hz)
	pcm.Time = at
	if err := l.mic.Wait(t.Context(), pcm); err != nil {
		t.Fatal(err)
	}
	if at%(200*time.Millisecond) != 0 {
		return
	}
	f := stageCam
	f.Width, f.Height = c.size[0], c.size[1]
	p := media.NewPicture(f)
	for i, plane := range p.Planes {
		for j := range plane.Data {
			plane.Data[j] = c.colour[i]
		}
	}
	if err := l.cam.Wait(t.Context(), media.Sample{Time: at, Picture: p}); err != nil {
		t.Fatal(err)
	}
}

// wantTones checks each second: its tone and nothing but that, from its first
// hundredth to its last, or silence.
func wantTones(t *testing.T, plan script, pcm []float64) {
	t.Helper()
	for sec := range 40 {
		c, there := plan(time.Duration(sec) * time.Second)
		from, to := sec*16000+160, (sec+1)*16000-160
		if !there {
			if to = min(to, len(pcm)); from < to && rms(pcm[from:to]) > 0.003 {
				t.Errorf("second %d: level %.3f, want silence", sec, rms(pcm[from:to]))
			}
			continue
		}
		if to > len(pcm) {
			t.Errorf("second %d: the sound ends at %.3f s", sec, float64(len(pcm))/16000)
			continue
		}
		amplitude := toneIn(pcm[from:to], c.hz)
		if whole := rms(pcm[from:to]) * math.Sqrt2; math.Abs(amplitude-0.5) > 0.02 || whole > amplitude*1.02 {
			t.Errorf("second %d: %.3f of %.0f Hz in %.3f, want 0.5 and nothing else", sec, amplitude, c.hz, whole)
		}
	}
}

// toneIn is the amplitude of a tone at 16 kHz.
func toneIn(pcm []float64, hz float64) float64 {
	var re, im float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / 16000)
		re, im = re+v*cos, im+v*sin
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

// A thumb is a small decoded picture.
type thumb struct {
	time time.Duration
	yuv  []byte // I420
}

const thumbWidth, thumbHeight = 64, 48

func decodeThumbs(t *testing.T, path string, n int) []thumb {
	t.Helper()
	yuv := judge.Run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", fmt.Sprintf("0:v:%d", n), "-fps_mode", "passthrough",
		"-vf", fmt.Sprintf("scale=%d:%d:flags=area,format=yuv420p", thumbWidth, thumbHeight), "-f", "rawvideo", "-")
	times := strings.Fields(string(judge.Run(t, "ffprobe", "-v", "error", "-select_streams", fmt.Sprintf("v:%d", n),
		"-show_entries", "frame=pts_time", "-of", "csv=p=0", path)))
	const size = thumbWidth * thumbHeight * 3 / 2
	if len(times)*size != len(yuv) {
		t.Fatalf("%d times for %d pictures", len(times), len(yuv)/size)
	}
	thumbs := make([]thumb, len(times))
	for i, s := range times {
		var sec float64
		fmt.Sscan(strings.Trim(s, ","), &sec)
		thumbs[i] = thumb{time.Duration(math.Round(sec*1e6)) * time.Microsecond, yuv[i*size : (i+1)*size]}
	}
	return thumbs
}

// at returns the colour at a place, in percent of width and height.
func (p thumb) at(x, y int) [3]byte {
	x, y = x*thumbWidth/100, y*thumbHeight/100
	half := y/2*(thumbWidth/2) + x/2
	return [3]byte{p.yuv[y*thumbWidth+x], p.yuv[thumbWidth*thumbHeight+half], p.yuv[thumbWidth*thumbHeight*5/4+half]}
}

// wantColours checks what is seen: five pictures a second, at their time, in
// their colour and shape, or that nobody is.
func wantColours(t *testing.T, plan script, pictures []thumb) {
	t.Helper()
	seen := map[time.Duration]thumb{}
	for _, p := range pictures {
		seen[p.time.Round(time.Millisecond)] = p
	}
	extra := len(seen)
	was := false
	for at := time.Duration(0); at < 40*time.Second; at += 200 * time.Millisecond {
		c, there := plan(at)
		if p, ok := seen[at]; ok && there {
			extra--
			p.wantShape(t, c)
		} else if there {
			t.Errorf("no picture at %v", at)
		} else if ok && was {
			extra-- // one black picture stands until they return
			if got := p.at(50, 50); !sameColour(got, [3]byte{16, 128, 128}) {
				t.Errorf("at %v, when they were away: %v, want %s", at, got, black)
			}
		}
		was = there
	}
	if extra != 0 || len(seen) != len(pictures) {
		t.Errorf("%d pictures that nobody planned", extra)
	}
	if _, ok := seen[20*time.Second]; !ok { // Alice's, or the black one when Bob has left
		t.Error("nothing is to be seen at 20 s")
	}
}

// wantShape checks the colour at the centre and around it: a picture of another
// shape than the track's has black bars and is not distorted.
func (p thumb) wantShape(t *testing.T, c cue) {
	t.Helper()
	nothing := [3]byte{16, 128, 128}
	top, side := c.colour, c.colour
	switch c.size {
	case [2]int{1280, 720}: // 640x360 in 640x480
		top = nothing
	case [2]int{480, 640}: // 360x480
		side = nothing
	}
	for _, place := range []struct {
		x, y int
		want [3]byte
	}{
		{50, 50, c.colour}, {50, 16, c.colour}, {50, 83, c.colour}, {28, 50, c.colour}, {70, 50, c.colour},
		{50, 6, top}, {50, 93, top}, {10, 50, side}, {88, 50, side},
	} {
		if got := p.at(place.x, place.y); !sameColour(got, place.want) {
			t.Errorf("at %v, place %d%%, %d%%: %v, want %v", p.time, place.x, place.y, got, place.want)
		}
	}
}

func sameColour(a, b [3]byte) bool {
	for i := range a {
		if d := int(a[i]) - int(b[i]); d < -6 || d > 6 {
			return false
		}
	}
	return true
}
