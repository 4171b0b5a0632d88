package av_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/hevc"
	mp4ff "github.com/Eyevinn/mp4ff/mp4"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// A demuxed file is what ffprobe finds in it.
type demuxed struct {
	Streams []struct {
		Type string `json:"codec_type"`
		Base string `json:"time_base"`
	} `json:"streams"`
	Packets []demuxedPacket `json:"packets"`
	Frames  []struct {
		PTS    int64 `json:"pts"`
		Width  int   `json:"width"`
		Height int   `json:"height"`
	} `json:"frames"`
}

type demuxedPacket struct {
	Type     string `json:"codec_type"`
	Stream   int    `json:"stream_index"`
	PTS      int64  `json:"pts"`
	DTS      *int64 `json:"dts"`
	Duration int64  `json:"duration"`
	Size     string `json:"size"`
	Flags    string `json:"flags"`
	Hash     string `json:"data_hash"`
}

// demux lists the packets of a file.
func demux(t *testing.T, path string) demuxed {
	t.Helper()
	return probed(t, path, "-show_data_hash", "MD5", "-show_entries",
		"stream=codec_type,time_base:packet=codec_type,stream_index,pts,dts,duration,size,flags,data_hash")
}

// decode lists the pictures that are decoded from a file.
func decode(t *testing.T, path string) demuxed {
	t.Helper()
	return probed(t, path, "-select_streams", "v", "-show_entries", "frame=pts,width,height")
}

func probed(t *testing.T, path string, args ...string) (d demuxed) {
	t.Helper()
	out := judge.Run(t, "ffprobe", append(append([]string{"-v", "error"}, args...), "-of", "json", path)...)
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// of returns the packets of the stream of a type, and its ticks per second.
func (d demuxed) of(kind string) (packets []demuxedPacket, rate int64) {
	for _, p := range d.Packets {
		if p.Type == kind {
			packets = append(packets, p)
		}
	}
	for _, s := range d.Streams {
		if s.Type == kind {
			_, den, _ := strings.Cut(s.Base, "/")
			rate, _ = strconv.ParseInt(den, 10, 64)
		}
	}
	return packets, rate
}

func hashed(b []byte) string {
	sum := md5.Sum(b)
	return "MD5:" + hex.EncodeToString(sum[:])
}

func toTicks(at time.Duration, rate int64) int64 {
	return int64(math.Round(at.Seconds() * float64(rate)))
}

// wantFilm checks a file's pictures against the film: bits and times.
func wantFilm(t *testing.T, path string, d demuxed, film codedFilm) {
	t.Helper()
	packets, rate := d.of("video")
	if len(packets) != len(film.units) {
		t.Fatalf("%d packets of %d", len(packets), len(film.units))
	}
	// A transport stream begins at any time, and has nothing before its beginning.
	zero, isTS := int64(0), strings.HasSuffix(path, ".ts")
	if isTS {
		zero = packets[0].PTS
	}
	off := func(at int64, want time.Duration) bool {
		return max(at-zero-toTicks(want, rate), toTicks(want, rate)-at+zero) > 1
	}
	for i, p := range packets {
		u := film.units[i]
		if off(p.PTS, u.pts) || !film.leadUnknown && p.DTS != nil && off(*p.DTS, u.dts) && !(isTS && u.dts <= 0) {
			t.Errorf("unit %d has times %d, %d, want %v, %v in 1/%d s from %d", i, p.PTS, *p.DTS, u.pts, u.dts, rate, zero)
		}
		if isMP4(path) && (p.DTS == nil || *p.DTS > p.PTS || i > 0 && *p.DTS <= *packets[i-1].DTS) {
			t.Errorf("unit %d is decoded at %v, shown at %d", i, p.DTS, p.PTS)
		}
		if length := toTicks(filmStep, rate); (isMP4(path) || p.Duration != 0) && max(p.Duration-length, length-p.Duration) > 1 {
			t.Errorf("unit %d lasts %d/%d s, want %v", i, p.Duration, rate, filmStep)
		}
	}
	pictures := decode(t, path).Frames
	if len(pictures) != len(film.units) {
		t.Errorf("%d pictures are decoded of %d", len(pictures), len(film.units))
	}
	for i, f := range pictures {
		if off(f.PTS, time.Duration(i)*filmStep) {
			t.Errorf("picture %d is shown at %d/%d s, want %v", i, f.PTS-zero, rate, time.Duration(i)*filmStep)
		}
	}
	wantFilmBits(t, path, film, packets)
}

func wantFilmBits(t *testing.T, path string, film codedFilm, packets []demuxedPacket) {
	t.Helper()
	switch film.codec {
	case media.H264, media.HEVC:
		entry := entrySets(t, path, film.codec)
		wantNALs(t, film, entry, extract(t, path, "v", film.codec.String(), "-bsf:v", film.codec.String()+"_mp4toannexb"))
		if isMP4(path) { // libavformat leaves filler in the others, and zeros behind NAL units
			wantSamples(t, film, entry, packets)
		}
	case media.AV1:
		wantOBUs(t, film, extract(t, path, "v", "obu"))
		fallthrough
	default:
		for i, p := range packets {
			if want := film.stored(t, i); p.Hash != hashed(want) {
				t.Fatalf("unit %d has %s bytes that are others than the %d of the source", i, p.Size, len(want))
			}
		}
	}
}

// stored is what is in the file of a unit of VP8, VP9 or AV1: of AV1 all OBUs
// but delimiters, each with its size.
func (f codedFilm) stored(t *testing.T, i int) []byte {
	t.Helper()
	data := bytes.Join(f.units[i].parts, nil)
	if f.codec != media.AV1 {
		return data
	}
	var out []byte
	for _, o := range obus(t, data) {
		if o.kind() != obuDelimiter {
			out = append(out, o.bytes(true)...)
		}
	}
	return out
}

// extract lets the ffmpeg program write one stream of a file in a raw format.
func extract(t *testing.T, path, stream, format string, more ...string) []byte {
	t.Helper()
	args := append([]string{"-nostdin", "-v", "error", "-i", path, "-map", "0:" + stream, "-c", "copy"}, more...)
	return judge.Run(t, "ffmpeg", append(args, "-f", format, "-")...)
}

// isMP4 reports whether package mp4 has written a file.
func isMP4(path string) bool {
	return strings.HasSuffix(path, ".mp4") || strings.HasSuffix(path, ".mov")
}

// entrySets are the parameter sets in the sample entries of a file, or in what
// describes its stream; a transport stream has none.
func entrySets(t *testing.T, path string, c media.Codec) (sets [][]byte) {
	t.Helper()
	if !isMP4(path) {
		if strings.HasSuffix(path, ".ts") {
			return nil
		}
		return recordSets(t, c, extradata(t, path))
	}
	file, err := mp4ff.ReadMP4File(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, trak := range file.Moov.Traks {
		for _, entry := range trak.Mdia.Minf.Stbl.Stsd.Children {
			visual, ok := entry.(*mp4ff.VisualSampleEntryBox)
			switch {
			case ok && visual.AvcC != nil:
				sets = slices.Concat(sets, visual.AvcC.SPSnalus, visual.AvcC.PPSnalus)
			case ok && visual.HvcC != nil:
				for _, a := range visual.HvcC.NaluArrays {
					sets = append(sets, a.Nalus...)
				}
			}
		}
	}
	return sets
}

// extradata is the configuration of a file's pictures.
func extradata(t *testing.T, path string) []byte {
	t.Helper()
	in := openInput(t, path)
	for _, s := range in.Streams() {
		if s.Kind == media.KindVideo {
			params := in.Params(s.Index)
			defer params.Close()
			return params.ExtraData()
		}
	}
	t.Fatalf("%s: no pictures", path)
	return nil
}

// recordSets are the parameter sets of an avcC or hvcC.
func recordSets(t *testing.T, c media.Codec, record []byte) (sets [][]byte) {
	t.Helper()
	if c == media.H264 {
		r, err := avc.DecodeAVCDecConfRec(record)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Concat(r.SPSnalus, r.PPSnalus)
	}
	r, err := hevc.DecodeHEVCDecConfRec(record)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.NaluArrays {
		sets = append(sets, a.Nalus...)
	}
	return sets
}

func containsUnit(units [][]byte, unit []byte) bool {
	return slices.ContainsFunc(units, func(u []byte) bool { return bytes.Equal(u, unit) })
}

// nals are a unit's, whatever is before each.
func (f codedFilm) nals(i int) (out [][]byte) {
	size := 0
	if f.format.Packing == media.LengthPrefixed {
		size = int(f.format.Config[map[media.Codec]int{media.H264: 4, media.HEVC: 21}[f.codec]]&3) + 1
	}
	for _, part := range f.units[i].parts {
		if size == 0 {
			out = append(out, nalUnits(part)...)
			continue
		}
		for len(part) > 0 {
			n := 0
			for _, b := range part[:size] {
				n = n<<8 | int(b)
			}
			out, part = append(out, part[size:][:n]), part[size+n:]
		}
	}
	return out
}

// wantNALs compares a byte stream NAL unit by NAL unit with the film. Only
// filler may be missing, and parameter sets of the sample entry may be missing
// or more: ffmpeg puts those before keyframes.
func wantNALs(t *testing.T, film codedFilm, entry [][]byte, stream []byte) {
	t.Helper()
	got := nalUnits(stream)
	compared := 0
	for i := range film.units {
		for n, want := range film.nals(i) {
			if classOf(film.codec, want) == filler && (len(got) == 0 || !bytes.Equal(got[0], want)) {
				continue
			}
			for len(got) > 0 && !bytes.Equal(got[0], want) && containsUnit(entry, got[0]) && !containsUnit(entry, want) {
				got = got[1:]
			}
			switch {
			case len(got) > 0 && bytes.Equal(got[0], want):
				got = got[1:]
				compared++
			case !containsUnit(entry, want):
				t.Fatalf("NAL unit %d of access unit %d, of type %d, is not there; %d are left", n, i, nalType(film.codec, want), len(got))
			}
		}
	}
	if len(got) > 0 || compared < len(film.units) {
		t.Errorf("%d NAL units more than the source gave, %d are its", len(got), compared)
	}
}

// wantSamples compares the bytes of each sample that package mp4 has written: the
// NAL units of the access unit less filler, and less the parameter sets that
// the sample entry has, or with all of those.
func wantSamples(t *testing.T, film codedFilm, entry [][]byte, packets []demuxedPacket) {
	t.Helper()
	for i, p := range packets {
		var with, without []byte
		for _, nal := range film.nals(i) {
			if classOf(film.codec, nal) == filler {
				continue
			}
			unit := lengths(4)(nal)
			with = append(with, unit...)
			if !containsUnit(entry, nal) {
				without = append(without, unit...)
			}
		}
		if p.Hash != hashed(with) && p.Hash != hashed(without) {
			t.Fatalf("access unit %d has %s bytes that are neither the %d of the source nor the %d without parameter sets",
				i, p.Size, len(with), len(without))
		}
	}
}

// wantOBUs compares a stream of OBUs with the film, but for delimiters. The
// program gives each unit its size.
func wantOBUs(t *testing.T, film codedFilm, stream []byte) {
	t.Helper()
	units := func(all []obu) (out [][]byte) {
		for _, o := range all {
			if o.kind() != obuDelimiter {
				out = append(out, o.bytes(true))
			}
		}
		return out
	}
	got := units(obus(t, stream))
	var want [][]byte
	for _, u := range film.units {
		want = append(want, units(obus(t, bytes.Join(u.parts, nil)))...)
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d OBUs that are not the %d of the source", len(got), len(want))
	}
}

// wantVoice checks a file's audio against the voice: bits and times.
func wantVoice(t *testing.T, path string, d demuxed, voice codedVoice) {
	t.Helper()
	packets, rate := d.of("audio")
	if len(packets) != len(voice.packets) {
		t.Fatalf("%d packets of audio, want %d", len(packets), len(voice.packets))
	}
	zero, slack := int64(0), int64(0)
	if rate != int64(voice.rate) { // Matroska's milliseconds, a transport stream's 90 kHz
		slack = 1
	}
	if strings.HasSuffix(path, ".ts") {
		zero = packets[0].PTS
	}
	off := func(ticks int64, frames int64) bool {
		want := int64(math.Round(float64(frames) * float64(rate) / float64(voice.rate)))
		return max(ticks-want, want-ticks) > slack
	}
	for i, p := range packets {
		if off(p.PTS-zero, voice.starts[i]-voice.starts[0]) || off(p.Duration, voice.lengths[i]) {
			t.Errorf("packet %d is at %d for %d in 1/%d s, want %d and %d in 1/%d s", i, p.PTS-zero, p.Duration, rate,
				voice.starts[i]-voice.starts[0], voice.lengths[i], voice.rate)
		}
		if voice.format.Codec == media.Opus && p.Hash != hashed(voice.packets[i]) {
			t.Fatalf("packet %d has %s bytes that are others than the %d of the source", i, p.Size, len(voice.packets[i]))
		}
	}
	if voice.format.Codec == media.AAC {
		wantADTS(t, extract(t, path, "a", "adts"), voice)
	}
}

// wantADTS compares frames behind headers of seven bytes (ISO/IEC 14496-3,
// 1.A.2.2.1) with the voice.
func wantADTS(t *testing.T, data []byte, voice codedVoice) {
	t.Helper()
	for i, want := range voice.packets {
		const header = 7
		if len(data) < header {
			t.Fatalf("no header of frame %d", i)
		}
		size := int(data[3]&3)<<11 | int(data[4])<<3 | int(data[5]>>5)
		if size > len(data) || !bytes.Equal(data[header:size], want) {
			t.Fatalf("frame %d has %d bytes that are others than the %d of the source", i, size-header, len(want))
		}
		data = data[size:]
	}
	if len(data) > 0 {
		t.Errorf("%d bytes of audio more than the source gave", len(data))
	}
}

// wantPlays lets the decoders judge a file: no error and no warning of any.
// Debian's Chromium has no decoder of HEVC, and does not play from a keyframe of
// an open group of pictures in H.264, in nobody's files.
func wantPlays(t *testing.T, path string, film codedFilm, voice codedVoice, browser bool) {
	t.Helper()
	judge.DecodesClean(t, path)
	audio, video := min(1, len(voice.packets)), min(1, len(film.units))
	judge.MediaInfo(t, path, audio, video)
	if r := judge.GStreamer(t, path, audio, video); len(r.Complaints) > 0 {
		t.Errorf("GStreamer: %q", r.Complaints)
	}
	if film.codec == media.HEVC || !browser {
		return
	}
	p := judge.Chromium(t, path)
	if video > 0 && (p.Frames == 0 || p.Width == 0) || audio > 0 && p.Audio == 0 {
		t.Errorf("Chromium plays %+v", p)
	}
}
