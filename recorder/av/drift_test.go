package av_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// A call of hours, whose microphone runs fast and whose camera runs slow, with
// lost packets and stalls: beep and flash stay together, there is as much audio
// as time, and memory does not grow.
func TestDrift(t *testing.T) {
	av.Calculates(t)
	judge.Need(t, "ffmpeg", "ffprobe")
	length := 20 * time.Minute
	if fullSweep() {
		length = 6 * time.Hour
	}
	d := &drifting{
		rate: 8000, audioPPM: 300, fps: 2, videoPPM: -200, loss: 0.01, jitter: 2 * time.Millisecond, length: length,
		stalls: []time.Duration{length/3 + 5*time.Second, 2*length/3 + 5*time.Second},
		random: rand.New(rand.NewPCG(5, 5)),
	}
	rec := start(t, recorder.Config{AudioSampleRate: d.rate})
	vf := media.VideoFormat{Width: 64, Height: 48}
	d.audio = addTrack(t, rec, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: d.format()})
	d.video = addTrack(t, rec, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann", Video: vf})
	d.black, d.white = gray(vf, 0, 16).Picture, gray(vf, 0, 235).Picture
	begun := time.Now()
	d.record(t)
	result := stop(t, rec)
	took := time.Since(begun)
	balanced(t, result)
	d.check(t, result)
	t.Logf("%v recorded in %.1f s, %d bytes; memory %d kB after a tenth, %d kB at the end",
		length, took.Seconds(), result.Size, d.early>>10, d.late>>10)
	if grown := d.late - d.early; grown > 24<<20 {
		t.Errorf("memory has grown by %d kB", grown>>10)
	}
}

// drifting is a microphone and a camera whose clocks are off. Every ten
// seconds there is a beep, and a flash in the picture nearest to it.
type drifting struct {
	rate               int
	audioPPM, videoPPM float64 // how much faster than nominal they run
	fps, loss          float64
	jitter             time.Duration // of audio's stamps, in both directions
	length             time.Duration
	stalls             []time.Duration // when nothing comes for 3 s
	random             *rand.Rand
	black, white       *media.Picture
	audio, video       recorder.TrackWriter

	frames   int             // of the microphone so far
	pictures int             // of the camera so far
	flashes  []time.Duration // when they were captured
	end      time.Duration   // of the last packet
	early    int64           // resident memory after a tenth
	late     int64           // and at the end
}

const beepEvery = 10 * time.Second

func (d *drifting) format() media.AudioFormat {
	return media.AudioFormat{Rate: d.rate, Channels: 1}
}

// captured is when the microphone's nth frame is.
func (d *drifting) captured(n int) time.Duration {
	return time.Duration(float64(n) / float64(d.rate) / (1 + d.audioPPM*1e-6) * float64(time.Second))
}

func (d *drifting) shown(n int) time.Duration {
	return time.Duration(float64(n) / d.fps / (1 + d.videoPPM*1e-6) * float64(time.Second))
}

func (d *drifting) stalled(at time.Duration) bool {
	for _, s := range d.stalls {
		if s <= at && at < s+3*time.Second {
			return true
		}
	}
	return false
}

func (d *drifting) record(t *testing.T) {
	packet := &media.PCM{Format: d.format(), Data: make([]byte, d.rate/50*2)}
	for at := time.Duration(0); at < d.length; at = d.captured(d.frames) {
		for p := d.shown(d.pictures); p <= at; p = d.shown(d.pictures) {
			d.show(t, p)
		}
		d.say(t, at, packet)
		if d.early == 0 && at > d.length/10 {
			d.early = resident(t)
		}
	}
	d.late = resident(t)
}

// show delivers a picture.
func (d *drifting) show(t *testing.T, at time.Duration) {
	d.pictures++
	if d.stalled(at) {
		return
	}
	interval := d.shown(1) + time.Microsecond // two may be as near
	s := media.Sample{Time: at, Picture: d.black}
	if since := (at + interval/2) % beepEvery; at > beepEvery/2 && since < interval && at+interval < d.length {
		s.Picture = d.white
		if n := len(d.flashes); n == 0 || at-d.flashes[n-1] > beepEvery/2 {
			d.flashes = append(d.flashes, at)
		}
	}
	write(t, d.video, s)
}

// say delivers a packet. The one with which a beep begins is not lost.
func (d *drifting) say(t *testing.T, at time.Duration, packet *media.PCM) {
	clear(packet.Data)
	begins := false
	for i := range packet.Frames() {
		since := d.captured(d.frames+i) % beepEvery
		if since < clap && at > beepEvery/2 {
			v := 0.8 * math.Sin(2*math.Pi*1000*since.Seconds())
			binary.LittleEndian.PutUint16(packet.Data[2*i:], uint16(int16(v*math.MaxInt16)))
			begins = begins || since < 20*time.Millisecond
		}
	}
	d.frames += packet.Frames()
	lost := d.random.Float64() < d.loss && !begins && d.captured(d.frames) < d.length
	stamp := at + time.Duration((2*d.random.Float64()-1)*float64(d.jitter))
	if lost || d.stalled(at) {
		return
	}
	write(t, d.audio, media.Sample{Time: max(stamp, 0), PCM: packet})
	d.end = d.captured(d.frames)
}

func (d *drifting) check(t *testing.T, result recorder.Result) {
	t.Helper()
	beeps, frames := beepsIn(t, result.Path, d.rate)
	var flashes []time.Duration
	last := byte(0)
	for _, p := range judge.Pictures(t, result.Path, 0) {
		if p.Luma > 128 && last <= 128 {
			flashes = append(flashes, p.Time)
		}
		last = p.Luma
	}
	if len(beeps) != len(d.flashes) || len(flashes) != len(beeps) {
		t.Fatalf("%d beeps and %d flashes in the file, %d captured", len(beeps), len(flashes), len(d.flashes))
	}
	var worst, sum, e time.Duration
	for i := range beeps {
		captured := time.Duration(i+1)*beepEvery - d.flashes[i]
		e = beeps[i] - flashes[i] - captured
		worst = max(worst, e.Abs())
		sum += e
		if e.Abs() > 10*time.Millisecond {
			t.Errorf("beep %d is %v off", i, e)
		}
	}
	t.Logf("%d beeps, offset at most %v, mean %v, at the end %v", len(beeps), worst, sum/time.Duration(len(beeps)), e)
	wantLength(t, result.Path, frames, d.rate, d.end, 10*time.Millisecond)
	near(t, "result's duration", result.Tracks[0].Last, d.end, 10*time.Millisecond)
	if ppm := result.Tracks[0].RatePPM; math.Abs(ppm-d.audioPPM) > 20 {
		t.Errorf("measured %.1f ppm, want %v", ppm, d.audioPPM)
	}
}

// wantLength checks how long the first voice is. What is decoded is longer by
// what fills up the last packet, which ffmpeg does not cut off.
func wantLength(t *testing.T, path string, frames, rate int, want, tolerance time.Duration) {
	t.Helper()
	length := judge.Probe(t, path).Of("audio")[0].Length()
	near(t, "length of the track", length, want, tolerance)
	const packet = 1024 // of AAC
	if pad := frames - int(length*time.Duration(rate)/time.Second); pad < -1 || pad >= packet {
		t.Errorf("%d frames are decoded, %d more than the track has", frames, pad)
	}
}

// beepsIn decodes the first voice and returns when beeps begin, and how many
// frames there are. It counts frames; no time stamp helps.
func beepsIn(t *testing.T, path string, rate int) (beeps []time.Duration, frames int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:a:0",
		"-ac", "1", "-f", "s16le", "-")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReaderSize(pipe, 1<<16)
	quiet := 0
	for buf := make([]byte, 2); ; frames++ {
		if _, err := io.ReadFull(in, buf); err != nil {
			break
		}
		if v := int16(binary.LittleEndian.Uint16(buf)); v > -8192 && v < 8192 {
			quiet++
			continue
		}
		if quiet > rate/5 {
			beeps = append(beeps, time.Duration(frames)*time.Second/time.Duration(rate))
		}
		quiet = 0
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Fatalf("ffmpeg %s: %v\n%s", path, err, stderr.String())
	}
	return beeps, frames
}

// resident returns the process's memory in bytes, 0 where Linux does not tell.
func resident(t *testing.T) (n int64) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size int64
	if _, err := fmt.Sscan(string(text), &size, &n); err != nil {
		t.Fatal(err)
	}
	return n * int64(os.Getpagesize())
}
