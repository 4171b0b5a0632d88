package mp4

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/av1"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Parameter sets as libx264 and libx265 wrote them for 64x48 pictures in
// BT.709, and the sequence header of libaom for the same.
func testAVC() AVC {
	return AVC{
		SPS: [][]byte{unhex("6764000aacd9447b016a0202028000000300800000190789 12cb")},
		PPS: [][]byte{unhex("68ebe3cb22c0")},
	}
}

func testHEVC() HEVC {
	return HEVC{
		VPS: [][]byte{unhex("40010c01ffff01600000030090000003000003001e959809")},
		SPS: [][]byte{unhex("42010101600000030090000003000003001ea020831659 59ae4caf016a020202080000030008000003 00c840")},
		PPS: [][]byte{unhex("4401c173d089")},
	}
}

const testSequenceHeader = "0a0d00000002aff79b5f2202020208"

// The boxes are indented in the comments as they lie in each other.
func TestSampleEntries(t *testing.T) {
	tests := []struct {
		name      string
		codec     Codec
		quickTime bool
		want      string
	}{
		// avc1 64x48
		//   avcC High 1.0, length of 4, SPS, PPS, 4:2:0 in 8 and 8 bits
		//   colr nclx 1, 1, 1, limited range
		//   pasp 1:1
		{"H.264", testAVC(), false,
			"000000b0 61766331 000000000000 0001" +
				"00000000000000000000000000000000" +
				"0040 0030 00480000 00480000 00000000 0001" +
				"0000000000000000000000000000000000000000000000000000000000000000" +
				"0018ffff" +
				"00000037 61766343 0164000affe1001a6764000aacd9447b016a020202800000030080000019078912cb01000668eb" +
				"e3cb22c0fdf8f800" +
				"00000013 636f6c72 6e636c7800010001000100" +
				"00000010 70617370 0000000100000001"},
		// avc1
		//   avcC
		//   colr nclc 1, 1, 1
		//   pasp
		{"H.264 in QuickTime", testAVC(), true,
			"000000af 61766331 000000000000 0001" +
				"00000000000000000000000000000000" +
				"0040 0030 00480000 00480000 00000000 0001" +
				"0000000000000000000000000000000000000000000000000000000000000000" +
				"0018ffff" +
				"00000037 61766343 0164000affe1001a6764000aacd9447b016a020202800000030080000019078912cb01000668eb" +
				"e3cb22c0fdf8f800" +
				"00000012 636f6c72 6e636c63000100010001" +
				"00000010 70617370 0000000100000001"},
		// hvc1 64x48
		//   hvcC Main 1.0, 4:2:0 in 8 and 8 bits, 1 layer, length of 4, complete arrays VPS SPS PPS
		//   colr nclx 1, 1, 1, limited range
		//   pasp 1:1
		{"H.265", testHEVC(), false,
			"000000f1 68766331 000000000000 0001" +
				"00000000000000000000000000000000" +
				"0040 0030 00480000 00480000 00000000 0001" +
				"0000000000000000000000000000000000000000000000000000000000000000" +
				"0018ffff" +
				"00000078 68766343 0101600000009000000000001ef000fcfdf8f800000f03a00001001840010c01ffff0160000003" +
				"0090000003000003001e959809a10001002c42010101600000030090000003000003001ea02083165959ae4caf016a02" +
				"020208000003000800000300c840a2000100064401c173d089" +
				"00000013 636f6c72 6e636c7800010001000100" +
				"00000010 70617370 0000000100000001"},
		// av01 64x48
		//   av1C Main 2.0, 4:2:0 in 8 bits, sequence header
		//   colr nclx 1, 1, 1, limited range
		{"AV1", AV1{Config: unhex("81000c00" + testSequenceHeader)}, false,
			"00000084 61763031 000000000000 0001" +
				"00000000000000000000000000000000" +
				"0040 0030 00480000 00480000 00000000 0001" +
				"0000000000000000000000000000000000000000000000000000000000000000" +
				"0018ffff" +
				"0000001b 61763143 81000c000a0d00000002aff79b5f2202020208" +
				"00000013 636f6c72 6e636c7800010001000100"},
		// vp09 1280x720
		//   vpcC version 1, profile 2, level 3.1, 10 bits, chroma 1, full range, 9, 16, 9
		//   colr nclx 9, 16, 9, full range
		{"VP9", VP9{Profile: 2, Level: 31, BitDepth: 10, Chroma: Chroma420Colocated, Primaries: 9, Transfer: 16, Matrix: 9,
			FullRange: true, Width: 1280, Height: 720}, false,
			"0000007d 76703039 000000000000 0001" +
				"00000000000000000000000000000000" +
				"0500 02d0 00480000 00480000 00000000 0001" +
				"0000000000000000000000000000000000000000000000000000000000000000" +
				"0018ffff" +
				"00000014 76706343 01000000021fa30910090000" +
				"00000013 636f6c72 6e636c7800090010000980"},
		// vp08 640x480
		//   vpcC version 1, profile 0, level 0, 8 bits, chroma 1, colours unknown
		{"VP8", VP8{Width: 640, Height: 480}, false,
			"0000006a 76703038 000000000000 0001" +
				"00000000000000000000000000000000" +
				"0280 01e0 00480000 00480000 00000000 0001" +
				"0000000000000000000000000000000000000000000000000000000000000000" +
				"0018ffff" +
				"00000014 76706343 010000000000820202020000"},
		// mp4a stereo, 48000
		//   esds ES 0 (MPEG-4 audio (1190), SL 2)
		{"AAC", AAC{Config: unhex("1190")}, false,
			"00000057 6d703461 000000000000 0001" +
				"0000000000000000" +
				"0002 0010 00000000 bb800000" +
				"00000033 65736473 000000000380808022000000048080801440150000000000000000000000058080800211900680" +
				"80800102"},
		// mp4a 6 channels, rate 0
		//   esds
		{"AAC, 5.1 at 96 kHz", AAC{Config: unhex("1030")}, false,
			"00000057 6d703461 000000000000 0001" +
				"0000000000000000" +
				"0006 0010 00000000 00000000" +
				"00000033 65736473 000000000380808022000000048080801440150000000000000000000000058080800210300680" +
				"80800102"},
		// mp4a version 1, stereo, 48000, 1024 samples per packet
		//   wave
		//     frma mp4a
		//     mp4a 0
		//     esds
		//     terminator
		//   chan stereo
		{"AAC in QuickTime", AAC{Config: unhex("1190")}, true,
			"000000a7 6d703461 000000000000 0001" +
				"0001000000000000" +
				"0002 0010 fffe0000 bb800000" +
				"00000400000000000000000000000002" +
				"0000005b 77617665 0000000c66726d616d7034610000000c6d70346100000000000000336573647300000000038080" +
				"8022000000048080801440150000000000000000000000058080800211900680808001020000000800000000" +
				"00000018 6368616e 00000000006500020000000000000000"},
		// Opus stereo
		//   dOps pre-skip 312, 48000, gain 0, family 0
		{"Opus", Opus{Channels: 2, PreSkip: 312, InputRate: 48000}, false,
			"00000037 4f707573 000000000000 0001" +
				"0000000000000000" +
				"0002 0010 00000000 bb800000" +
				"00000013 644f7073 000201380000bb80000000"},
		// Opus 6 channels
		//   dOps pre-skip 312, 48000, gain -1 dB, family 1, 4 streams, 2 of them stereo, mapping
		{"Opus, family 1", Opus{Channels: 6, PreSkip: 312, InputRate: 48000, Gain: -256, Family: 1, Streams: 4, Coupled: 2,
			Mapping: []byte{0, 4, 1, 2, 3, 5}}, false,
			"0000003f 4f707573 000000000000 0001" +
				"0000000000000000" +
				"0006 0010 00000000 bb800000" +
				"0000001b 644f7073 000601380000bb80ff00010402000401020305"},
		// fLaC stereo, 24 bits, rate 0
		//   dfLa last block, STREAMINFO of 34 bytes
		{"FLAC, 24 bits at 96 kHz", FLAC{StreamInfo: unhex("1200 1200 00000e 000204 17700 370000012c0 00000000000000000000000000000000")}, false,
			"00000056 664c6143 000000000000 0001" +
				"0000000000000000" +
				"0002 0018 00000000 00000000" +
				"00000032 64664c61 00000000800000221200120000000e00020417700370000012c000000000000000000000000000" +
				"000000"},
		// alac stereo, 16 bits, 48000
		//   alac
		{"ALAC", ALAC{Config: unhex("00001000 00 10 28 0a 0e 02 0000 00000000 00000000 0000bb80")}, false,
			"00000048 616c6163 000000000000 0001" +
				"0000000000000000" +
				"0002 0010 00000000 bb800000" +
				"00000024 616c6163 00000000000010000010280a0e02000000000000000000000000bb80"},
		// ipcm mono, 16000
		//   pcmC little endian, 16 bits
		{"PCM", PCM{Rate: 16000, Channels: 1, Bits: 16}, false,
			"00000032 6970636d 000000000000 0001" +
				"0000000000000000" +
				"0001 0010 00000000 3e800000" +
				"0000000e 70636d43 000000000110"},
		// fpcm stereo, rate 0
		//   pcmC big endian, 32 bits
		{"PCM, floating point", PCM{Rate: 96000, Channels: 2, Bits: 32, Float: true, BigEndian: true}, false,
			"00000032 6670636d 000000000000 0001" +
				"0000000000000000" +
				"0002 0010 00000000 00000000" +
				"0000000e 70636d43 000000000020"},
		// sowt mono, 16000
		//   chan mono
		{"PCM in QuickTime", PCM{Rate: 16000, Channels: 1, Bits: 16}, true,
			"0000003c 736f7774 000000000000 0001" +
				"0000000000000000" +
				"0001 0010 00000000 3e800000" +
				"00000018 6368616e 00000000006400010000000000000000"},
		// in24 version 1, stereo, 48000, 3 bytes, 6 per frame
		//   wave
		//     frma in24
		//     enda 1
		//     terminator
		//   chan stereo
		{"PCM, 24 bits in QuickTime", PCM{Rate: 48000, Channels: 2, Bits: 24}, true,
			"00000072 696e3234 000000000000 0001" +
				"0001000000000000" +
				"0002 0010 00000000 bb800000" +
				"00000001000000030000000600000002" +
				"00000026 77617665 0000000c66726d61696e32340000000a656e646100010000000800000000" +
				"00000018 6368616e 00000000006500020000000000000000"},
		// lpcm version 2, 96000.0, stereo, 32 bits, flags 11, 8 bytes per frame
		//   chan stereo
		{"PCM at 96 kHz in QuickTime", PCM{Rate: 96000, Channels: 2, Bits: 32, Float: true, BigEndian: true}, true,
			"00000060 6c70636d 000000000000 0001" +
				"0002000000000000" +
				"0003 0010 fffe0000 00010000" +
				"0000004840f7700000000000000000027f000000000000200000000b0000000800000001" +
				"00000018 6368616e 00000000006500020000000000000000"},
		// text
		//   ftab font 1, no name
		{"text", Text{}, false,
			"0000003b 74657874 000000000000 0001" +
				"00000001 0000 00000000" +
				"0000000000000000" +
				"00000000 0001 0000 00000000" +
				"0000000d 66746162 0001000100"},
		// abcd
		{"as read", Entry{Box: unhex("00000010 61626364 000000000000 0001"), Handler: "soun"}, false,
			"00000010 61626364 000000000000 0001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.codec.entry(tt.quickTime)
			if err != nil {
				t.Fatal(err)
			}
			if want := unhex(tt.want); !bytes.Equal(got, want) {
				t.Errorf("\n% x, want\n% x", got, want)
			}
		})
	}
}

// A layout of more than two channels is not guessed.
func TestQuickTimeLayout(t *testing.T) {
	for channels, want := range map[int]int{1: 24, 2: 24, 3: 0, 6: 0} {
		if got := len(channelBox(channels)); got != want {
			t.Errorf("chan of %d channels has %d bytes, want %d", channels, got, want)
		}
	}
}

// The fixed part of av1C from sequence headers of each bit depth.
func TestAV1Record(t *testing.T) {
	tests := []struct {
		header av1.SequenceHeader
		want   string
	}{
		{av1.SequenceHeader{BitDepth: 8, SeqLevelIdx0: 8, SubsamplingX: 1, SubsamplingY: 1, ChromaSamplePosition: 2}, "81080e00"},
		{av1.SequenceHeader{SeqProfile: 1, BitDepth: 10, SeqLevelIdx0: 31, SeqTier0: 1}, "813fc000"},
		{av1.SequenceHeader{SeqProfile: 2, BitDepth: 12, MonoChrome: true, SubsamplingX: 1}, "81407800"},
	}
	for _, tt := range tests {
		if got := av1Record(&tt.header); !bytes.Equal(got, unhex(tt.want)) {
			t.Errorf("% x, want %s", got, tt.want)
		}
	}
}

func TestSizeAndHandler(t *testing.T) {
	aac := AAC{Config: unhex("1190")}
	tests := []struct {
		codec         Codec
		handler       string
		width, height int
	}{
		{testAVC(), "vide", 64, 48},
		{AVC{SPS: testAVC().SPS, PPS: testAVC().PPS, Width: 32, Height: 24}, "vide", 32, 24},
		{testHEVC(), "vide", 64, 48},
		{AV1{Config: unhex("81000c00" + testSequenceHeader)}, "vide", 64, 48},
		{AV1{Config: unhex("81000c00"), Width: 10, Height: 20}, "vide", 10, 20},
		{VP9{Width: 10, Height: 20}, "vide", 10, 20},
		{VP8{Width: 10, Height: 20}, "vide", 10, 20},
		{aac, "soun", 0, 0},
		{Opus{Channels: 1}, "soun", 0, 0},
		{FLAC{}, "soun", 0, 0},
		{ALAC{}, "soun", 0, 0},
		{PCM{}, "soun", 0, 0},
		{Text{}, "text", 0, 0},
		{Entry{Handler: "vide", Width: 1, Height: 2}, "vide", 1, 2},
	}
	for _, tt := range tests {
		w, h := tt.codec.size()
		if got := tt.codec.handler(); got != tt.handler || w != tt.width || h != tt.height {
			t.Errorf("%T is %s of %dx%d, want %s of %dx%d", tt.codec, got, w, h, tt.handler, tt.width, tt.height)
		}
	}
}

// Every impossible description is an ErrConfig.
func TestImpossibleCodecs(t *testing.T) {
	avc, hevc := testAVC(), testHEVC()
	many := make([][]byte, 32)
	for i := range many {
		many[i] = avc.SPS[0]
	}
	huge := append(bytes.Clone(avc.PPS[0]), make([]byte, 65536)...)
	tests := map[string]Codec{
		"AVC without SPS":       AVC{PPS: avc.PPS},
		"AVC without PPS":       AVC{SPS: avc.SPS},
		"AVC with 32 SPS":       AVC{SPS: many, PPS: avc.PPS},
		"AVC, sets swapped":     AVC{SPS: avc.PPS, PPS: avc.SPS},
		"AVC, huge PPS":         AVC{SPS: avc.SPS, PPS: [][]byte{huge}},
		"AVC, SPS cut":          AVC{SPS: [][]byte{avc.SPS[0][:8]}, PPS: avc.PPS},
		"AVC, too wide":         AVC{SPS: avc.SPS, PPS: avc.PPS, Width: 65536},
		"AVC, negative":         AVC{SPS: avc.SPS, PPS: avc.PPS, Height: -1},
		"AVC, empty set":        AVC{SPS: [][]byte{{}}, PPS: avc.PPS},
		"HEVC without VPS":      HEVC{SPS: hevc.SPS, PPS: hevc.PPS},
		"HEVC, SPS cut":         HEVC{VPS: hevc.VPS, SPS: [][]byte{hevc.SPS[0][:12]}, PPS: hevc.PPS},
		"AV1 without config":    AV1{Width: 1, Height: 1},
		"AV1 without size":      AV1{Config: unhex("81000c00")},
		"AV1, OBU cut":          AV1{Config: unhex("81000c00" + testSequenceHeader)[:12]},
		"VP9 without size":      VP9{},
		"VP9 profile":           VP9{Profile: 4, Width: 1, Height: 1},
		"VP9 level":             VP9{Level: 63, Width: 1, Height: 1},
		"VP9 depth":             VP9{BitDepth: 9, Width: 1, Height: 1},
		"VP9 chroma":            VP9{Chroma: 4, Width: 1, Height: 1},
		"VP8 without size":      VP8{},
		"AAC without config":    AAC{},
		"AAC, config cut":       AAC{Config: unhex("11")},
		"AAC, reserved rate":    AAC{Config: unhex("1690")},
		"AAC, huge config":      AAC{Config: append(unhex("1190"), make([]byte, 1<<20)...)},
		"Opus without channels": Opus{},
		"Opus, three channels":  Opus{Channels: 3},
		"Opus, short mapping":   Opus{Channels: 3, Family: 1, Streams: 2, Coupled: 1, Mapping: []byte{0, 1}},
		"Opus, wrong mapping":   Opus{Channels: 3, Family: 1, Streams: 2, Coupled: 1, Mapping: []byte{0, 1, 3}},
		"Opus, nine channels":   Opus{Channels: 9, Family: 1, Streams: 9, Mapping: make([]byte, 9)},
		"Opus, too many stereo": Opus{Channels: 2, Family: 1, Streams: 1, Coupled: 2, Mapping: []byte{0, 1}},
		"FLAC, short":           FLAC{StreamInfo: make([]byte, 33)},
		"FLAC, rate 0":          FLAC{StreamInfo: make([]byte, 34)},
		"ALAC, short":           ALAC{Config: make([]byte, 23)},
		"ALAC, zeros":           ALAC{Config: make([]byte, 24)},
		"PCM of 8 bits":         PCM{Rate: 8000, Channels: 1, Bits: 8},
		"PCM, 16 bits of float": PCM{Rate: 8000, Channels: 1, Bits: 16, Float: true},
		"PCM without rate":      PCM{Channels: 1, Bits: 16},
		"PCM without channels":  PCM{Rate: 8000, Bits: 16},
		"Entry, short":          Entry{Box: make([]byte, 15), Handler: "soun"},
		"Entry, wrong size":     Entry{Box: append(unhex("00000011"), make([]byte, 12)...), Handler: "soun"},
		"Entry, no handler":     Entry{Box: append(unhex("00000010"), make([]byte, 12)...)},
	}
	for name, c := range tests {
		for _, quickTime := range []bool{false, true} {
			if e, err := c.entry(quickTime); !errors.Is(err, ErrConfig) {
				t.Errorf("%s: % x, %v, want ErrConfig", name, e, err)
			}
		}
	}
}

// pack writes fields given as value and number of bits.
func pack(fields ...[2]uint32) []byte {
	var out []byte
	n := 0
	for _, f := range fields {
		for i := int(f[1]) - 1; i >= 0; i-- {
			if n%8 == 0 {
				out = append(out, 0)
			}
			out[n/8] |= byte(f[0]>>i&1) << (7 - n%8)
			n++
		}
	}
	return out
}
