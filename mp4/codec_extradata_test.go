package mp4

import (
	"errors"
	"reflect"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
)

func TestCodecFromExtradata(t *testing.T) {
	avc, hevc := testAVC(), testHEVC()
	avcB, hevcB := avc, hevc
	avcB.AnnexB, hevcB.AnnexB = true, true
	av1 := AV1{Config: unhex("81000c00" + testSequenceHeader)}
	flac := unhex("1200 1200 00000e 000204 17700 370000012c0 00000000000000000000000000000000")
	alac := unhex("00000024 616c6163 00000000 00001000 00 10 28 0a 0e 02 0000 00000000 00000000 0000bb80")
	head := "4f70757348656164 01"
	opus6 := Opus{Channels: 6, PreSkip: 312, InputRate: 48000, Gain: -256, Family: 1, Streams: 4, Coupled: 2, Mapping: []byte{0, 4, 1, 2, 3, 5}}
	sei := unhex("4e0105ff80")
	tests := []struct {
		name, codec    string
		extradata      []byte
		rate, channels int
		want           Codec
	}{
		{"SPS and PPS", "h264", byteStream("00000001", avc.SPS[0], unhex("0605ff80"), avc.PPS[0]), 0, 0, avcB},
		{"avcC", "h264", configOf(t, avc), 0, 0, avc},
		{"VPS, SPS, PPS, SEI", "hevc", byteStream("000001", hevc.VPS[0], hevc.SPS[0], hevc.PPS[0], sei), 0, 0, hevcB},
		{"hvcC", "hevc", configOf(t, hevc), 0, 0, hevc},
		{"av1C", "av1", av1.Config, 0, 0, av1},
		{"sequence header", "av1", unhex(testSequenceHeader), 0, 0, av1},
		{"temporal unit", "av1", unhex("1200" + testSequenceHeader + "3203aabbcc"), 0, 0, av1},
		{"sequence header without size", "av1", append(unhex("08"), unhex(testSequenceHeader)[2:]...), 0, 0, av1},
		{"AudioSpecificConfig", "aac", unhex("1190"), 0, 0, AAC{Config: unhex("1190")}},
		{"OpusHead", "opus", unhex(head + "02 3801 80bb0000 0000 00"), 0, 0, Opus{Channels: 2, PreSkip: 312, InputRate: 48000}},
		{"OpusHead, family 1", "opus", unhex(head + "06 3801 80bb0000 00ff 01 04 02 000401020305"), 0, 0, opus6},
		{"STREAMINFO", "flac", flac, 0, 0, FLAC{StreamInfo: flac}},
		{"alac box", "alac", alac, 0, 0, ALAC{Config: alac}},
		{"PCM", "pcm_s24le", nil, 48000, 2, PCM{Rate: 48000, Channels: 2, Bits: 24}},
		{"PCM, floating point", "pcm_f64be", nil, 8000, 1, PCM{Rate: 8000, Channels: 1, Bits: 64, Float: true, BigEndian: true}},
	}
	for _, tt := range tests {
		got, err := CodecFromExtradata(tt.codec, tt.extradata, 0, 0, tt.rate, tt.channels)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
	if got, err := CodecFromExtradata("vp8", nil, 64, 48, 0, 0); err != nil || got != (VP8{64, 48}) {
		t.Errorf("VP8: %+v, %v", got, err)
	}
}

// configOf returns the body of a visual sample entry's first box.
func configOf(t *testing.T, c Codec) []byte {
	t.Helper()
	_, boxes := children(t, entryOf(t, c, false)[visualBoxes:])
	for _, kind := range []string{"avcC", "hvcC"} {
		if b := boxes[kind]; b != nil {
			return b[8:]
		}
	}
	t.Fatalf("%T has no configuration", c)
	return nil
}

// A configuration that is cut anywhere is refused, and none makes a panic.
func TestExtradataCut(t *testing.T) {
	avc, hevc := configOf(t, testAVC()), configOf(t, testHEVC())
	lossless := len(avc) - 4 // what follows the PPS is read from the SPS
	tests := map[string][]byte{"h264": avc[:lossless], "hevc": hevc, "av1": unhex(testSequenceHeader), "aac": unhex("1190"),
		"opus": unhex("4f70757348656164 01 06 3801 80bb0000 00ff 01 04 02 000401020305")}
	for codec, extradata := range tests {
		for n := range extradata {
			if c, err := CodecFromExtradata(codec, extradata[:n], 0, 0, 0, 0); !errors.Is(err, ErrConfig) {
				t.Errorf("%s cut to %d of %d bytes: %+v, %v", codec, n, len(extradata), c, err)
			}
		}
	}
}

func TestExtradataRefuses(t *testing.T) {
	twoByteAVC, twoByteHEVC := configOf(t, testAVC()), configOf(t, testHEVC())
	twoByteAVC[4], twoByteHEVC[21] = 0xFD, 0x0D
	tests := []struct {
		name, codec string
		extradata   []byte
	}{
		{"unknown name", "mpeg2video", nil}, {"VP9", "vp9", nil},
		{"avcC with lengths of two bytes", "h264", twoByteAVC}, {"hvcC with lengths of two bytes", "hevc", twoByteHEVC},
		{"no start code", "h264", []byte("garbage")}, {"no parameter sets", "hevc", byteStream("000001", unhex("2601"))},
		{"no sequence header", "av1", unhex("1200")}, {"forbidden bit", "av1", unhex("ff00")},
		{"OpusHead of version 16", "opus", unhex("4f70757348656164 10 02 3801 80bb0000 0000 00")},
		{"PCM of 8 bits", "pcm_u8", nil}, {"PCM without byte order", "pcm_s16", nil}, {"PCM in planes", "pcm_s16le_planar", nil},
	}
	for _, tt := range tests {
		if c, err := CodecFromExtradata(tt.codec, tt.extradata, 64, 48, 48000, 2); !errors.Is(err, ErrConfig) || c != nil {
			t.Errorf("%s: %+v, %v", tt.name, c, err)
		}
	}
}

func TestFromFrameRefuses(t *testing.T) {
	for _, frame := range [][]byte{nil, unhex("82"), unhex("86004092"), unhex("0000"), unhex("820000000000")} {
		if c, err := VP9FromFrame(frame); !errors.Is(err, ErrConfig) {
			t.Errorf("VP9 % x: %+v, %v", frame, c, err)
		}
	}
	for _, frame := range [][]byte{nil, unhex("1000"), unhex("110000"), unhex("10000000000040003000"), unhex("1000009d012a4000")} {
		if c, err := VP8FromFrame(frame); !errors.Is(err, ErrConfig) {
			t.Errorf("VP8 % x: %+v, %v", frame, c, err)
		}
	}
}

func TestFromFrame(t *testing.T) {
	// Frame marker, profile 0, key frame shown, sync code, BT.709 in limited
	// range, 64x48.
	type f = [2]uint32
	frame := pack(f{2, 2}, f{0, 2}, f{0, 1}, f{0, 1}, f{1, 1}, f{0, 1}, f{0x498342, 24}, f{2, 3}, f{0, 1}, f{63, 16}, f{47, 16})
	want9 := VP9{BitDepth: 8, Chroma: Chroma420Colocated, Primaries: 1, Transfer: 1, Matrix: 1, Width: 64, Height: 48}
	if c, err := VP9FromFrame(frame); err != nil || c != want9 {
		t.Errorf("VP9: %+v, %v; want %+v", c, err, want9)
	}
	if c, err := VP8FromFrame(unhex("1000009d012a40003000")); err != nil || c != (VP8{64, 48}) {
		t.Errorf("VP8: %+v, %v", c, err)
	}
}

func TestAV1Samples(t *testing.T) {
	delimiter, frame, padding, metadata := "1200", "3203aabbcc", "7a0100", "2a020102"
	tests := []struct{ name, data, want string }{
		{"delimiter and padding left out", delimiter + testSequenceHeader + metadata + frame + padding, testSequenceHeader + metadata + frame},
		{"redundant header and tile list left out", "3a0100" + "420100" + frame, frame},
		{"last without size", delimiter + "30aabbcc", "30aabbcc"},
		{"with extension", "3600" + "03aabbcc", "3600" + "03aabbcc"},
		{"header and tiles apart", "1a01aa" + "2201bb", "1a01aa" + "2201bb"},
	}
	for _, tt := range tests {
		got, err := AV1{}.appendSample([]byte("x"), unhex(tt.data))
		if err != nil || string(got) != "x"+string(unhex(tt.want)) {
			t.Errorf("%s: % x, %v", tt.name, got, err)
		}
	}
	for _, bad := range []string{"", delimiter, delimiter + testSequenceHeader, "3204aabbcc", "b203aabbcc", "32", "32ffffffffffffffff7f", "36"} {
		if got, err := (AV1{}).appendSample([]byte("x"), unhex(bad)); !errors.Is(err, ErrSample) || string(got) != "x" {
			t.Errorf("%q: % x, %v, want ErrSample", bad, got, err)
		}
	}
}

func TestOtherSamples(t *testing.T) {
	tests := []struct {
		name  string
		codec Codec
		data  string
		want  string // empty: refused
	}{
		{"VP9", VP9{}, "abc", "abc"}, {"VP9, empty", VP9{}, "", ""}, {"VP8, empty", VP8{}, "", ""},
		{"AAC", AAC{}, "abc", "abc"}, {"AAC, empty", AAC{}, "", ""}, {"Opus, empty", Opus{}, "", ""},
		{"FLAC, empty", FLAC{}, "", ""}, {"ALAC, empty", ALAC{}, "", ""},
		{"PCM", PCM{Channels: 2, Bits: 24}, "abcdefabcdef", "abcdefabcdef"},
		{"PCM, part of a frame", PCM{Channels: 2, Bits: 24}, "abcde", ""}, {"PCM, no channels", PCM{Bits: 24}, "abc", ""},
		{"as read", Entry{}, "abc", "abc"},
		{"text", Text{}, "Ä", "\x00\x02Ä\x00\x00\x00\x0cencd\x00\x00\x01\x00"},
		{"text, empty", Text{}, "", "\x00\x00\x00\x00\x00\x0cencd\x00\x00\x01\x00"},
		{"text, not UTF-8", Text{}, "\xff", ""}, {"text, too long", Text{}, string(make([]byte, 65536)), ""},
	}
	for _, tt := range tests {
		got, err := tt.codec.appendSample([]byte("x"), []byte(tt.data))
		if refused := tt.want == ""; string(got) != "x"+tt.want || errors.Is(err, ErrSample) != refused {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}

// Whatever the bytes, a codec made of them has an entry.
func FuzzExtradata(f *testing.F) {
	avc, hevc := testAVC(), testHEVC()
	f.Add(byteStream("00000001", avc.SPS[0], avc.PPS[0]))
	f.Add(byteStream("00000001", hevc.VPS[0], hevc.SPS[0], hevc.PPS[0]))
	f.Add(append(unhex("016400 0affe1001a"), avc.SPS[0]...))
	f.Add(unhex("81000c00" + testSequenceHeader))
	f.Add(unhex(testSequenceHeader))
	f.Add(unhex("1190"))
	f.Add(unhex("4f70757348656164 01 06 3801 80bb0000 00ff 01 04 02 000401020305"))
	f.Add(unhex("1200 1200 00000e 000204 17700 370000012c0 00000000000000000000000000000000"))
	names := []string{"h264", "hevc", "av1", "aac", "opus", "flac", "alac"}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range names {
			c, err := CodecFromExtradata(name, data, 0, 0, 0, 0)
			if err != nil {
				if !errors.Is(err, ErrConfig) {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			for _, quickTime := range []bool{false, true} {
				if _, err := c.entry(quickTime); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if w, h := c.size(); c.handler() == "vide" && (w < 1 || h < 1 || w > 65535 || h > 65535) {
				t.Errorf("%s of %dx%d", name, w, h)
			}
		}
	})
}

// The parameter sets by themselves, as what a fuzzer finds hardest is a start
// code.
func FuzzParameterSets(f *testing.F) {
	f.Add(testAVC().SPS[0])
	f.Add(testHEVC().SPS[0])
	f.Fuzz(func(_ *testing.T, nal []byte) {
		_, _ = bitstream.ParseAVCSPS(nal)
		_, _ = parseHEVCSPS(nal)
	})
}

func FuzzFromFrame(f *testing.F) {
	f.Add(unhex("824983424007e0" + "05f0"))
	f.Add(unhex("1000009d012a40003000"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if c, err := VP9FromFrame(frame); err != nil && !errors.Is(err, ErrConfig) {
			t.Errorf("%+v, %v", c, err)
		} else if err == nil && c.Width <= 65535 && c.Height <= 65535 {
			entryOf(t, c, false)
		}
		if c, err := VP8FromFrame(frame); err != nil && !errors.Is(err, ErrConfig) {
			t.Errorf("%+v, %v", c, err)
		}
	})
}
