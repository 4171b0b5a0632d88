package av_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// send writes packets of a voice, captured from a time on.
func (v codedVoice) send(t *testing.T, w recorder.TrackWriter, from, to int, at time.Duration) {
	t.Helper()
	for i := from; i < to; i++ {
		write(t, w, media.Sample{Time: at + v.captured(i, 0), Encoded: &media.Encoded{Format: &v.format, Data: v.packets[i]}})
	}
}

// Who leaves and comes back an hour later goes on in the same track, behind an
// hour of silence.
func TestCopyAfterReturn(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, coder := range [][]string{{"a.ogg", "-c:a", "libopus", "-b:a", "24k"}, {"a.m4a", "-c:a", "aac"}} {
		v := encodeVoice(t, 4, coder[0], coder[1:]...)
		rec := start(t, recorder.Config{})
		track := recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Encoded: v.format}
		w := addTrack(t, rec, track)
		n := len(v.packets) / 2
		v.send(t, w, 0, n, time.Minute)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		v.send(t, addTrack(t, rec, track), n, len(v.packets), time.Minute+time.Hour)
		took := time.Since(begun)
		result := stop(t, rec)
		balanced(t, result)
		silences := wantBytes(t, result.Path, v.packets, 0)
		if tr := result.Tracks[0]; len(result.Tracks) != 1 || tr.Losses() > 0 || tr.GapCount != 1 {
			t.Errorf("%+v", tr)
		}
		last := len(v.packets) - 1
		want := time.Hour + v.captured(last, 0) - v.captured(0, 0) + time.Duration(v.lengths[last])*time.Second/time.Duration(v.rate)
		near(t, "length", judge.Probe(t, result.Path).Of("audio")[0].Length(), want, 11*time.Millisecond)
		t.Logf("%s: %d packets of silence in %v, %d bytes", v.format.Codec, silences, took, result.Size)
	}
}

// Packets captured in a pause are not in the file; in what is held there is
// silence, what is cut is not there at all.
func TestCopyPaused(t *testing.T) {
	judge.Need(t, "ffmpeg")
	v := encodeVoice(t, 10, "a.ogg", "-c:a", "libopus", "-b:a", "24k")
	for mode, want := range map[recorder.PauseMode]struct {
		frames int
		beeps  []time.Duration
	}{
		recorder.PauseHold: {480960, []time.Duration{1, 2, 3, 8, 9}},
		recorder.PauseCut:  {480960 - 4*48000, []time.Duration{1, 2, 3, 4, 5}},
	} {
		rec := start(t, recorder.Config{})
		w := addTrack(t, rec, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Encoded: v.format})
		p := rec.(recorder.Pauser)
		if err := p.Pause(time.Minute+3505*time.Millisecond, mode); err != nil {
			t.Fatal(err)
		}
		if err := p.Resume(time.Minute + 7505*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		v.send(t, w, 0, len(v.packets), time.Minute)
		result := stop(t, rec)
		balanced(t, result)
		if n := result.Tracks[0].Dropped[recorder.DropPaused]; n != 201 {
			t.Errorf("%s: %d packets are left out, want 200 and the one that begins before", mode, n)
		}
		wantBytes(t, result.Path, v.packets, 201)
		frames, beeps := heard(t, result.Path, "libopus", 48000)
		if frames != want.frames || len(beeps) != len(want.beeps) {
			t.Fatalf("%s: %d frames, want %d; beeps at %v", mode, frames, want.frames, beeps)
		}
		for i, b := range beeps {
			near(t, string(mode), b+v.captured(0, 0), want.beeps[i]*time.Second, 2*time.Millisecond)
		}
	}
}

// Opus that becomes stereo, and AAC of another number of channels, go on in the
// same track; AAC of another rate in a further one.
func TestCopyOfWhatChanges(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	mono := encodeVoice(t, 3, "a.ogg", "-c:a", "libopus", "-b:a", "24k", "-ac", "1")
	stereo := encodeVoice(t, 3, "b.ogg", "-c:a", "libopus", "-b:a", "96k", "-ac", "2")
	aac := encodeVoice(t, 3, "a.m4a", "-c:a", "aac", "-ac", "1")
	aacStereo := encodeVoice(t, 3, "b.m4a", "-c:a", "aac", "-ac", "2")
	aacSlow := encodeVoice(t, 3, "c.m4a", "-c:a", "aac", "-ac", "2", "-ar", "16000")
	unsaid := mono
	unsaid.format.Channels = 0
	for name, c := range map[string]struct {
		a, b    codedVoice
		tracks  int
		entries int // of the first track
		first   int // channels there
	}{
		"opus":         {mono, stereo, 1, 2, 1},
		"opus, unsaid": {unsaid, stereo, 1, 1, 2},
		"aac":          {aac, aacStereo, 1, 2, 1},
		"aac rate":     {aacStereo, aacSlow, 2, 1, 2},
	} {
		rec := start(t, recorder.Config{})
		w := addTrack(t, rec, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
		c.a.send(t, w, 0, len(c.a.packets), time.Minute)
		c.b.send(t, w, 0, len(c.b.packets), time.Minute+4*time.Second)
		result := stop(t, rec)
		balanced(t, result)
		if tr := result.Tracks[0]; tr.Losses() > 0 || tr.SamplesWritten != int64(len(c.a.packets)+len(c.b.packets)) {
			t.Errorf("%s: %+v", name, tr)
		}
		audio := judge.Probe(t, result.Path).Of("audio")
		_, info := inFile(t, result.Path)
		if len(audio) != c.tracks || info.Channels != c.first || len(info.Entries) != c.entries {
			t.Errorf("%s: %d tracks, %d channels, %d entries", name, len(audio), info.Channels, len(info.Entries))
		}
		frames, beeps := heard(t, result.Path, decoders[c.a.format.Codec][0], c.a.rate)
		t.Logf("%s: %d frames, beeps %v", name, frames, beeps)
	}
}

// Other containers take copied audio too.
func TestCopyIntoOtherContainers(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	opus := encodeVoice(t, 3, "a.ogg", "-c:a", "libopus", "-b:a", "24k")
	aac := encodeVoice(t, 3, "a.m4a", "-c:a", "aac")
	for _, c := range []struct {
		format string
		v      codedVoice
	}{{"mkv", opus}, {"mkv", aac}, {"webm", opus}, {"ts", aac}, {"mov", aac}} {
		result := codedDelivery{}.record(t, c.v, recorder.Config{Format: c.format, VideoCodec: "auto"})
		for _, decoder := range decoders[c.v.format.Codec] {
			frames, beeps := heard(t, result.Path, decoder, c.v.rate)
			t.Logf("%s: %s: %d frames, %d packets, beeps %v", c.format, decoder, frames, len(c.v.packets), beeps)
			if len(beeps) != 2 {
				t.Errorf("%s: %d beeps", c.format, len(beeps))
			}
		}
		judge.DecodesClean(t, result.Path)
	}
}

// What is no packet is refused and counted, and what comes after it is there.
func TestCopyOfRubbish(t *testing.T) {
	v := encodeVoice(t, 2, "a.m4a", "-c:a", "aac")
	f := v.format
	f.Packing, f.Config = media.ADTS, nil
	rec := start(t, recorder.Config{})
	w := addTrack(t, rec, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Encoded: f})
	refused := 0
	for i, p := range v.packets {
		data := withADTS(p, v.format.Config)
		if i%10 == 0 {
			data = data[:len(data)-1]
		}
		if i%10 == 5 {
			data = append(data, 1, 2, 3) // of no frame: what is before counts
		}
		if w.WriteSample(media.Sample{Time: v.captured(i, 0) + time.Minute, Encoded: &media.Encoded{Format: &f, Data: data}}) != nil {
			refused++
		}
	}
	result := stop(t, rec)
	balanced(t, result)
	if want := (len(v.packets) + 9) / 10; refused != want || result.Tracks[0].SamplesWritten != int64(len(v.packets)-want) {
		t.Errorf("%d refused, want %d; %+v", refused, want, result.Tracks[0])
	}
}

// A second of copied audio costs an MP4 some small pieces for each of its four
// fragments, and the packets none.
func TestCopyingAudioDoesNotAllocate(t *testing.T) {
	av.Calculates(t) // pools forget on purpose there
	v := encodeVoice(t, 4, "a.ogg", "-c:a", "libopus", "-b:a", "24k", "-frame_duration", "10")
	r := start(t, recorder.Config{StartTimeout: 100 * time.Millisecond})
	w := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Encoded: v.format})
	pool, n := &media.EncodedPool{}, 0
	second := func() {
		for range 100 {
			data := v.packets[n%len(v.packets)]
			e := pool.Get(&v.format, len(data))
			copy(e.Data, data)
			write(t, w, media.Sample{Time: time.Minute + time.Duration(n)*10*time.Millisecond, Encoded: e})
			e.Release()
			n++
			time.Sleep(100 * time.Microsecond)
		}
	}
	for range 10 {
		second()
	}
	if got := testing.AllocsPerRun(10, second); got > 4*15 {
		t.Errorf("%v allocations in a second of media", got)
	}
	stop(t, r)
}

// A browser plays over concealment, and over packets of silence of 120 ms: in
// the first second, and behind a jump to the last.
func TestCopyPlaysInBrowser(t *testing.T) {
	judge.Need(t, "ffmpeg", "chromium")
	for _, coder := range [][]string{{"a.ogg", "-c:a", "libopus", "-b:a", "24k", "-application", "voip"}, {"a.m4a", "-c:a", "aac"}} {
		v := encodeVoice(t, 7, coder[0], coder[1:]...)
		d := codedDelivery{absent: func(_ *rand.Rand, v codedVoice, i int) bool {
			at := v.captured(i, 0)
			return i%25 == 20 || 200*time.Millisecond < at && at < 900*time.Millisecond || at > 6200*time.Millisecond && at < 6700*time.Millisecond
		}}
		result := d.record(t, v, recorder.Config{})
		p := judge.Chromium(t, result.Path)
		if p.Error != "" || math.Abs(p.Duration-result.Duration.Seconds()) > 0.05 || p.Audio == 0 || p.Played < 1 || p.Sought < 6 {
			t.Errorf("%s: %+v, want %v", v.format.Codec, p, result.Duration)
		}
		t.Logf("%s: %+v", v.format.Codec, p)
	}
}
