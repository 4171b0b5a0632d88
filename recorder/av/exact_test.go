package av_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// recordExact copies a film and a voice that begin together into a file. Either
// may be absent.
func recordExact(t *testing.T, format string, film codedFilm, voice codedVoice) (path string) {
	t.Helper()
	const begin = time.Hour
	r := start(t, recorder.Config{Format: format, VideoCodec: "copy", AudioCodec: "copy"})
	var all []arriving
	if len(film.units) > 0 {
		w := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann", Encoded: film.format})
		all = film.deliveries(w, begin)
	}
	if len(voice.packets) > 0 {
		w := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Encoded: voice.format})
		for i, p := range voice.packets {
			at := begin + voice.captured(i, 0) - voice.captured(0, 0)
			all = append(all, arriving{at, w, media.Sample{Time: at, Encoded: &media.Encoded{Format: &voice.format, Data: p}}})
		}
	}
	slices.SortStableFunc(all, func(a, b arriving) int { return cmp.Compare(a.at, b.at) })
	for _, d := range all {
		write(t, d.to, d.sample)
	}
	result := stop(t, r)
	for _, tr := range result.Tracks {
		if tr.SamplesWritten != tr.SamplesIn || tr.Losses() != 0 {
			t.Errorf("%s: %d samples of %d written, dropped %v", tr.ID, tr.SamplesWritten, tr.SamplesIn, tr.Dropped)
		}
	}
	return result.Path
}

// exactPairs are what is in one file together.
func exactPairs() (pairs []string) {
	for _, video := range []string{"h264", "hevc", "vp8", "vp9", "av1"} {
		for _, audio := range []string{"aac", "opus"} {
			pairs = append(pairs, "mp4 "+video+" "+audio)
		}
	}
	return append(pairs, "mov h264 aac", "mov hevc aac", "webm vp8 opus", "webm vp9 opus", "webm av1 opus", "mkv h264 aac", "ts h264 aac")
}

// Of each pair of codecs the file holds each bit that came, at its time, and
// everybody plays it.
func TestExactCopy(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	films := map[string]codedFilm{}
	for name, codec := range codecs {
		if codec.IsPicture() {
			films[name] = encodeFilm(t, filmKind{codec: codec, size: "61x47", count: 50})
			wantHard(t, films[name])
		}
	}
	voices := map[string]codedVoice{
		"aac":  encodeVoice(t, 2, "a.m4a", "-c:a", "aac", "-ac", "2"),
		"opus": encodeVoice(t, 2, "a.ogg", "-c:a", "libopus", "-b:a", "24k", "-ac", "2"),
	}
	for _, pair := range exactPairs() {
		t.Run(pair, func(t *testing.T) {
			t.Parallel()
			var format, video, audio string
			fmt.Sscan(pair, &format, &video, &audio)
			path := recordExact(t, format, films[video], voices[audio])
			d := demux(t, path)
			wantFilm(t, path, d, films[video])
			wantVoice(t, path, d, voices[audio])
			wantPlays(t, path, films[video], voices[audio], format != "ts") // Chromium has no demuxer for it
		})
	}
}

// unchanged leaves the NAL units as they are.
func unchanged(_ int, nals [][]byte) [][][]byte { return [][][]byte{nals} }

// An arrangement is how a source of H.264 or HEVC delivers what it has.
type arrangement struct {
	pack func(nal []byte) []byte
	cut  func(n int, nals [][]byte) [][][]byte
	// out of band: the parameter sets are in the format, in lengths of so many
	// bytes or, with -1, in a byte stream.
	outOfBand int
	unknown   bool // the source does not tell when pictures are decoded
}

func (a arrangement) of(f codedFilm) codedFilm {
	out := f.rearranged(a.pack, a.cut)
	switch n := a.outOfBand; {
	case n > 0:
		out.format.Packing, out.format.Config = media.LengthPrefixed, withLength(f.codec, f.record, n)
	case n < 0:
		for _, nal := range only(f.codec, nalUnits(f.units[0].parts[0]), sets) {
			out.format.Config = append(out.format.Config, startCode4(nal)...)
		}
	}
	out.leadUnknown = a.unknown
	return out
}

// arrangements of the NAL units of a film.
func arrangements(c media.Codec, first [][]byte) map[string]arrangement {
	inOrder := func(order ...nalClass) func(int, [][]byte) [][][]byte {
		return func(_ int, nals [][]byte) [][][]byte { return [][][]byte{sorted(c, nals, order...)} }
	}
	reversed := func(_ int, nals [][]byte) [][][]byte {
		back := only(c, nals, sets)
		slices.Reverse(back)
		return [][][]byte{slices.Concat(only(c, nals, delimiter), back, sorted(c, nals, sei, slice))}
	}
	apart := func(_ int, nals [][]byte) (parts [][][]byte) {
		for _, set := range only(c, nals, sets) {
			parts = append(parts, [][]byte{set})
		}
		return append(parts, sorted(c, nals, sei, slice))
	}
	singly := func(_ int, nals [][]byte) (parts [][][]byte) {
		for _, nal := range nals {
			parts = append(parts, [][]byte{nal})
		}
		return parts
	}
	repeated := func(_ int, nals [][]byte) [][][]byte {
		return [][][]byte{slices.Concat(only(c, nals, delimiter), only(c, first, sets), sorted(c, nals, sei, slice))}
	}
	filled := func(_ int, nals [][]byte) [][][]byte { return [][][]byte{append(slices.Clone(nals), fillerUnit(c))} }
	return map[string]arrangement{
		"as encoded":                     {pack: startCode4, cut: unchanged},
		"short start codes, zeros":       {pack: startCode3, cut: unchanged},
		"without delimiters":             {pack: startCode4, cut: inOrder(sets, sei, slice)},
		"sets in reverse order":          {pack: startCode4, cut: reversed},
		"sets behind SEI":                {pack: startCode4, cut: inOrder(delimiter, sei, sets, slice)},
		"sets as samples":                {pack: startCode4, cut: apart, unknown: true},
		"each NAL unit a sample":         {pack: startCode4, cut: singly, unknown: true},
		"sets in each access unit":       {pack: startCode4, cut: repeated},
		"filler":                         {pack: startCode4, cut: filled},
		"sets in the format":             {pack: startCode4, cut: inOrder(delimiter, sei, slice), outOfBand: -1},
		"lengths of 4, sets apart":       {pack: lengths(4), cut: inOrder(delimiter, sei, slice), outOfBand: 4},
		"lengths of 4, sets in both":     {pack: lengths(4), cut: unchanged, outOfBand: 4},
		"lengths of 2, sets apart":       {pack: lengths(2), cut: inOrder(delimiter, sei, slice), outOfBand: 2},
		"lengths of 1, without SEI":      {pack: lengths(1), cut: inOrder(delimiter, slice), outOfBand: 1},
		"lengths of 2, NAL units singly": {pack: lengths(2), cut: singly, outOfBand: 2, unknown: true},
	}
}

// However a source arranges NAL units and wherever it has its parameter sets,
// the file holds what it gave.
func TestExactArrangements(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, codec := range []media.Codec{media.H264, media.HEVC} {
		small := encodeFilm(t, filmKind{codec: codec, size: "61x47", count: 40, more: ":crf=48:open-gop=1"})
		for _, u := range small.units { // or no length of one byte is enough
			for _, nal := range only(codec, nalUnits(u.parts[0]), slice) {
				if len(nal) > 255 {
					t.Fatalf("%s: slice of %d bytes", codec, len(nal))
				}
			}
		}
		for name, a := range arrangements(codec, nalUnits(small.units[0].parts[0])) {
			t.Run(codec.String()+" "+name, func(t *testing.T) {
				t.Parallel()
				film := a.of(small)
				for _, format := range arrangedIn() {
					path := recordExact(t, format, film, codedVoice{})
					wantFilm(t, path, demux(t, path), film)
					wantPlays(t, path, film, codedVoice{}, false)
				}
			})
		}
	}
}

func arrangedIn() []string {
	if fullSweep() {
		return []string{"mp4", "mov", "mkv"}
	}
	return []string{"mp4"}
}

// Temporal units of AV1 may begin with a delimiter, and the last OBU need not
// tell its size.
func TestExactOBUs(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	film := encodeFilm(t, filmKind{codec: media.AV1, size: "61x47", count: 30})
	for _, delimited := range []bool{false, true} {
		for _, sized := range []bool{false, true} {
			for _, format := range []string{"mp4", "webm"} {
				t.Run(fmt.Sprintf("%s, delimiters %v, sizes %v", format, delimited, sized), func(t *testing.T) {
					t.Parallel()
					form := film.withOBUs(t, delimited, sized)
					path := recordExact(t, format, form, codedVoice{})
					wantFilm(t, path, demux(t, path), form)
					wantPlays(t, path, form, codedVoice{}, fullSweep() || !sized && delimited && format == "mp4")
				})
			}
		}
	}
}

// Opus of all lengths, mono and stereo, with and without packets that say that
// nothing is said, is in the file as it came.
func TestExactOpus(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, ms := range []string{"2.5", "5", "10", "20", "40", "60"} {
		for _, channels := range []string{"1", "2"} {
			whole, quiet := ms+" ms, channels "+channels, ms+" ms, DTX, channels "+channels
			t.Run(whole, func(t *testing.T) {
				t.Parallel()
				voice := encodeVoice(t, 2, "a.ogg", "-c:a", "libopus", "-b:a", "24k", "-application", "audio", "-frame_duration", ms, "-ac", channels)
				wantExactVoice(t, voice, whole)
			})
			t.Run(quiet, func(t *testing.T) {
				t.Parallel()
				voice := dtxVoice(t, ms, channels)
				hasDTX := slices.ContainsFunc(voice.packets, func(p []byte) bool { return len(p) <= 2 })
				if !hasDTX && ms != "2.5" && ms != "5" { // of those there is no SILK
					t.Errorf("no packet of %d says that nothing is said", len(voice.packets))
				}
				wantExactVoice(t, voice, quiet)
			})
		}
	}
}

func wantExactVoice(t *testing.T, voice codedVoice, kind string) {
	t.Helper()
	chosen := fullSweep() || kind == "2.5 ms, channels 2" || kind == "60 ms, DTX, channels 1"
	for _, format := range []string{"mp4", "webm"} {
		if format == "webm" && !chosen {
			continue
		}
		path := recordExact(t, format, codedFilm{}, voice)
		wantVoice(t, path, demux(t, path), voice)
		if chosen {
			wantPlays(t, path, codedFilm{}, voice, true)
		} else {
			judge.DecodesClean(t, path)
		}
	}
}

// dtxVoice lets GStreamer encode a voice that beeps, with DTX, which FFmpeg's
// Opus encoder has not.
func dtxVoice(t *testing.T, ms, channels string) codedVoice {
	t.Helper()
	wav := judge.Make(t, "a.wav", "-f", "lavfi", "-i", "aevalsrc=0.5*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.1)*gt(t\\,0.5):d=2:s=48000", "-ac", channels)
	path := strings.TrimSuffix(wav, "wav") + "ogg"
	judge.Run(t, "gst-launch-1.0", "-q", "filesrc", "location="+wav, "!", "wavparse", "!", "audioconvert", "!", "opusenc",
		"dtx=true", "audio-type=voice", "bitrate=24000", "frame-size="+ms, "!", "oggmux", "!", "filesink", "location="+path)
	return readVoice(t, path)
}

// Where a camera changes its size the file has another sample entry from that
// picture on, and not one bit less.
func TestExactSizeChange(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	voice := encodeVoice(t, 2, "a.ogg", "-c:a", "libopus", "-b:a", "24k")
	for name, codec := range codecs {
		if !codec.IsPicture() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const each = 25
			film := encodeFilm(t, filmKind{codec: codec, size: "64x48", count: each}).
				then(encodeFilm(t, filmKind{codec: codec, size: "128x96", count: each}))
			path := recordExact(t, "mp4", film, voice)
			wantFilm(t, path, demux(t, path), film)
			for i, f := range decode(t, path).Frames {
				if want := 64 << (i / each); f.Width != want || f.Height != want*3/4 {
					t.Errorf("picture %d is %dx%d, want %d wide", i, f.Width, f.Height, want)
				}
			}
			wantPlays(t, path, film, voice, true)
			tables := judge.MP4FF(t, path)
			if len(tables.Warnings) > 0 {
				t.Errorf("%q", tables.Warnings)
			}
			wantEntries(t, tables, each)
			wantEntries(t, judge.MP4Box(t, path), each)
		})
	}
}

// wantEntries checks that the samples of a file's pictures have one sample
// entry up to a picture, and another from it on.
func wantEntries(t *testing.T, tables judge.Tables, change int) {
	t.Helper()
	for _, tr := range tables.Tracks {
		if tr.Timescale != 90000 {
			continue
		}
		if len(tr.Entries) != 2 {
			t.Errorf("sample entries %q, want two", tr.Entries)
		}
		for i, s := range tr.Samples {
			if want := 1 + min(1, i/change); s.Description != want {
				t.Errorf("sample %d has entry %d, want %d", i, s.Description, want)
			}
		}
	}
}
