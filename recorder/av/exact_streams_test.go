package av_test

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A codedFilm is an encoded stream of pictures, made by the ffmpeg program.
type codedFilm struct {
	codec  media.Codec
	format media.EncodedFormat
	units  []filmUnit // in the order of decoding
	record []byte     // of H.264 and HEVC: the avcC or hvcC that ffmpeg writes
	// leadUnknown: the source does not tell when pictures are decoded.
	leadUnknown bool
}

// A filmUnit is an access unit, a frame or a temporal unit. Times count from
// the first picture; parts are the samples in which it is delivered.
type filmUnit struct {
	pts, dts time.Duration
	parts    [][]byte
}

// filmStep is how long each picture is shown.
const filmStep = 40 * time.Millisecond

// A filmKind is what an encoder is told. The defaults are what is hard to copy:
// B-frames that are referred to, of HEVC open groups of pictures, access unit
// delimiters, SEI messages, several slices, parameter sets at each keyframe;
// superframes of VP9 and AV1's frames that are shown later.
type filmKind struct {
	codec media.Codec
	size  string // "61x47"
	more  string // behind the encoder's own parameters
	count int    // pictures
}

// filmArgs are the encoders'. The program makes x264 and x265 leave parameter
// sets out of the stream unless the global header is switched off.
var filmArgs = map[media.Codec]string{
	media.H264: "-c:v libx264 -preset medium -flags:v -global_header -x264-params " +
		"log-level=none:aud=1:slices=4:bframes=3:b-pyramid=normal:b-adapt=0:keyint=20",
	media.HEVC: "-c:v libx265 -preset medium -flags:v -global_header -x265-params " +
		"log-level=none:aud=1:ctu=16:slices=2:bframes=3:b-pyramid=1:b-adapt=0:open-gop=1:keyint=20",
	media.VP8: "-c:v libvpx -deadline good -cpu-used 4 -b:v 200k -g 20",
	media.VP9: "-c:v libvpx-vp9 -deadline good -cpu-used 4 -b:v 200k -g 20 -auto-alt-ref 1 -lag-in-frames 16",
	media.AV1: "-c:v libaom-av1 -usage good -cpu-used 8 -b:v 200k -g 40 -lag-in-frames 35",
}

// encodeFilm lets the program encode a moving test picture.
func encodeFilm(t *testing.T, k filmKind) codedFilm {
	t.Helper()
	args := []string{"-f", "lavfi", "-i", "testsrc2=rate=25:size=" + k.size + ",format=yuv420p", "-frames:v", strconv.Itoa(k.count)}
	args = append(args, strings.Fields(filmArgs[k.codec]+k.more)...)
	// A transport stream has H.264 and HEVC bit for bit with both times, where
	// each access unit begins with its delimiter; NUT has the rest.
	name := "film.nut"
	if isNALs(k.codec) {
		name = "film.ts"
	}
	if k.codec == media.VP9 { // its encoder makes superframes when it goes over the film again
		log := filepath.Join(t.TempDir(), "pass")
		judge.Make(t, name, append(args, "-pass", "1", "-passlogfile", log)...)
		args = append(args, "-pass", "2", "-passlogfile", log)
	}
	path := judge.Make(t, name, args...)
	f := codedFilm{codec: k.codec, format: media.EncodedFormat{Codec: k.codec}}
	f.read(t, path)
	if len(f.units) != k.count {
		t.Fatalf("%s: %d units of %d pictures", k.codec, len(f.units), k.count)
	}
	if isNALs(k.codec) {
		f.record = extradata(t, judge.Make(t, "film.mp4", "-i", path, "-c", "copy"))
	}
	return f
}

func openInput(t *testing.T, path string) *ffmpeg.Input {
	t.Helper()
	in, err := ffmpeg.OpenInput(t.Context(), path, ffmpeg.InputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return in
}

func (f *codedFilm) read(t *testing.T, path string) {
	t.Helper()
	in := openInput(t, path)
	first := time.Duration(-1)
	for {
		p := ffmpeg.NewPacket()
		if _, err := in.Read(p); err != nil {
			p.Free()
			return
		}
		if first < 0 {
			first = p.Time()
		}
		u := filmUnit{pts: (p.Time() - first).Round(filmStep), parts: [][]byte{bytes.Clone(p.Data())}}
		if u.dts = u.pts; isNALs(f.codec) {
			u.dts = (p.DecodingTime() - first).Round(filmStep)
		}
		f.units = append(f.units, u)
		p.Free()
	}
}

func isNALs(c media.Codec) bool { return c == media.H264 || c == media.HEVC }

// An arriving sample is one and when it comes.
type arriving struct {
	at     time.Duration
	to     recorder.TrackWriter
	sample media.Sample
}

// deliveries are the film as a source delivers it that begins at a time.
func (f codedFilm) deliveries(to recorder.TrackWriter, begin time.Duration) (out []arriving) {
	format := f.format
	for _, u := range f.units {
		lead := u.pts - u.dts
		if f.leadUnknown {
			lead = media.UnknownLead
		}
		for _, part := range u.parts {
			out = append(out, arriving{begin + u.dts, to, media.Sample{Time: begin + u.pts, Encoded: &media.Encoded{
				Format: &format, Data: part, Lead: lead, Duration: filmStep, Whole: len(u.parts) == 1,
			}}})
		}
	}
	return out
}

// then is the film with another of the same codec behind it.
func (f codedFilm) then(next codedFilm) codedFilm {
	end := time.Duration(len(f.units)) * filmStep
	f.units = slices.Clone(f.units)
	for _, u := range next.units {
		f.units = append(f.units, filmUnit{pts: end + u.pts, dts: end + u.dts, parts: u.parts})
	}
	return f
}

// rearranged is a film of H.264 or HEVC with the NAL units of each access unit
// in other samples. cut gets them without start codes and returns the samples'.
func (f codedFilm) rearranged(pack func(nal []byte) []byte, cut func(n int, nals [][]byte) [][][]byte) codedFilm {
	units := slices.Clone(f.units)
	for i := range units {
		parts := cut(i, nalUnits(units[i].parts[0]))
		units[i].parts = nil
		for _, nals := range parts {
			var data []byte
			for _, nal := range nals {
				data = append(data, pack(nal)...)
			}
			units[i].parts = append(units[i].parts, data)
		}
	}
	f.units = units
	return f
}

func startCode4(nal []byte) []byte { return append([]byte{0, 0, 0, 1}, nal...) }

// startCode3 is the shorter code, and zeros behind the NAL unit.
func startCode3(nal []byte) []byte { return slices.Concat([]byte{0, 0, 1}, nal, []byte{0, 0, 0}) }

// lengths is a length of n bytes, which the NAL unit must fit.
func lengths(n int) func([]byte) []byte {
	return func(nal []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(nal)))[4-n:], nal...)
	}
}

// withLength is the avcC or hvcC for lengths of n bytes.
func withLength(c media.Codec, record []byte, n int) []byte {
	at := map[media.Codec]int{media.H264: 4, media.HEVC: 21}[c]
	record = slices.Clone(record)
	record[at] = record[at]&^3 | byte(n-1)
	return record
}

// nalUnits cuts a byte stream into its NAL units, without start codes.
func nalUnits(data []byte) (units [][]byte) {
	for _, u := range bytes.Split(data, []byte{0, 0, 1})[1:] {
		units = append(units, bytes.TrimRight(u, "\x00"))
	}
	return units
}

// nalType is of ISO/IEC 14496-10, table 7-1, and 23008-2, table 7-1.
func nalType(c media.Codec, nal []byte) int {
	if c == media.H264 {
		return int(nal[0] & 31)
	}
	return int(nal[0] >> 1 & 63)
}

// A nalClass is what the types of both codecs have in common.
type nalClass int

const (
	slice nalClass = iota
	sets
	delimiter
	sei
	filler
)

func classOf(c media.Codec, nal []byte) nalClass {
	types := map[int]nalClass{6: sei, 7: sets, 8: sets, 9: delimiter, 12: filler}
	if c == media.HEVC {
		types = map[int]nalClass{32: sets, 33: sets, 34: sets, 35: delimiter, 38: filler, 39: sei, 40: sei}
	}
	return types[nalType(c, nal)]
}

// fillerUnit is a NAL unit of filler data.
func fillerUnit(c media.Codec) []byte {
	if c == media.H264 {
		return []byte{12, 0xFF, 0xFF, 0xFF, 0x80}
	}
	return []byte{38 << 1, 1, 0xFF, 0xFF, 0xFF, 0x80}
}

// sorted are NAL units by class in the order given; those of a class keep theirs.
func sorted(c media.Codec, nals [][]byte, order ...nalClass) (out [][]byte) {
	for _, class := range order {
		out = append(out, only(c, nals, class)...)
	}
	return out
}

func only(c media.Codec, nals [][]byte, class nalClass) (out [][]byte) {
	for _, nal := range nals {
		if classOf(c, nal) == class {
			out = append(out, nal)
		}
	}
	return out
}

// wantHard checks that a film has what makes it hard to copy.
func wantHard(t *testing.T, f codedFilm) {
	t.Helper()
	has := map[string]bool{}
	for i, u := range f.units {
		data := u.parts[0]
		has["order"] = has["order"] || u.dts != u.pts
		switch f.codec {
		case media.H264, media.HEVC:
			nals := f.nals(i)
			has["slices"] = has["slices"] || len(only(f.codec, nals, slice)) > 1
			has["SEI"] = has["SEI"] || len(only(f.codec, nals, sei)) > 0
			has["delimiter"] = len(only(f.codec, nals, delimiter)) == 1
			has["sets again"] = has["sets again"] || i > 0 && len(only(f.codec, nals, sets)) > 0
		case media.VP9:
			const marker = 6 // of a superframe index (VP9 Bitstream & Decoding Process Specification, B.2)
			has["superframe"] = has["superframe"] || data[len(data)-1]>>5 == marker
		case media.AV1:
			const frame = 6
			frames := slices.DeleteFunc(obus(t, data), func(o obu) bool { return o.kind() != frame })
			has["frames together"] = has["frames together"] || len(frames) > 1
		}
	}
	want := map[media.Codec][]string{
		media.H264: {"order", "slices", "SEI", "delimiter", "sets again"}, media.HEVC: {"order", "slices", "SEI", "delimiter", "sets again"},
		media.VP9: {"superframe"}, media.AV1: {"frames together"},
	}
	for _, what := range want[f.codec] {
		if !has[what] {
			t.Errorf("the film of %s has no %s", f.codec, what)
		}
	}
}

// An obu is an open bitstream unit of AV1 (AV1 Bitstream & Decoding Process
// Specification, 5.3): its header of one or two bytes, and its payload.
type obu struct{ header, payload []byte }

const obuDelimiter = 2

func (o obu) kind() int { return int(o.header[0] >> 3 & 15) }

// bytes are the unit's with or without its size.
func (o obu) bytes(sized bool) []byte {
	header := slices.Clone(o.header)
	const hasSize = 2
	if header[0] &^= hasSize; !sized {
		return append(header, o.payload...)
	}
	header[0] |= hasSize
	return append(binary.AppendUvarint(header, uint64(len(o.payload))), o.payload...)
}

// obus cuts a temporal unit or several.
func obus(t *testing.T, data []byte) (out []obu) {
	t.Helper()
	for len(data) > 0 {
		n := 1 + int(data[0]>>2&1)
		o := obu{header: data[:n]}
		if data = data[n:]; o.header[0]&2 != 0 {
			size, length := binary.Uvarint(data)
			if length <= 0 || size > uint64(len(data)-length) {
				t.Fatalf("OBU of %d bytes in %d", size, len(data))
			}
			o.payload, data = data[length:][:size], data[length+int(size):]
		} else {
			o.payload, data = data, nil
		}
		out = append(out, o)
	}
	return out
}

// withOBUs is a film of AV1 whose temporal units begin with a delimiter or not,
// and whose last OBUs tell their size or not.
func (f codedFilm) withOBUs(t *testing.T, delimited, sized bool) codedFilm {
	t.Helper()
	f.units = slices.Clone(f.units)
	for i := range f.units {
		var data []byte
		if delimited {
			data = obu{header: []byte{obuDelimiter << 3}}.bytes(true)
		}
		units := slices.DeleteFunc(obus(t, f.units[i].parts[0]), func(o obu) bool { return o.kind() == obuDelimiter })
		for n, o := range units {
			data = append(data, o.bytes(sized || n < len(units)-1)...)
		}
		f.units[i].parts = [][]byte{data}
	}
	return f
}
