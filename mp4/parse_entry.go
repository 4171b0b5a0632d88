package mp4

import (
	"fmt"
	"math"
	"strings"
)

// maxEntries bounds the descriptions of one track; stsd says how many.
const maxEntries = 1 << 14

// parseStsd keeps the sample entries and reads the first one.
func (t *TrackInfo) parseStsd(b box) {
	p, err := t.movie.src.load(b)
	if err != nil || len(p) < 8 {
		return
	}
	p = p[8:]
	t.Entries = nil
	for len(p) >= 8 && len(t.Entries) < maxEntries {
		_, head, size, err := parseHead(p[:min(16, len(p))], int64(len(p)))
		if err != nil || size < head {
			break
		}
		t.Entries = append(t.Entries, p[:size:size])
		p = p[size:]
	}
	if len(t.Entries) > 0 {
		t.parseEntry(t.Entries[0])
	}
}

// parseEntry reads a sample entry (8.5.2).
func (t *TrackInfo) parseEntry(p []byte) {
	kind, head, _, err := parseHead(p[:min(16, len(p))], int64(len(p)))
	if err != nil {
		return
	}
	t.Codec = printable(kind)
	f := fields{p: p[head:]}
	f.skip(8) // reserved, data reference
	config := fields{}
	switch {
	case t.isVideo():
		f.skip(16)
		t.Width, t.Height = int(f.u16()), int(f.u16())
		f.skip(50)
		config = f
	case t.isAudio():
		config = t.parseSoundEntry(&f)
		if kind == "mp4a" { // whose entry says 2 whatever there is
			if _, special := parseESDS(config.p); len(special) > 0 {
				if _, n := parseAAC(special); n > 0 {
					t.Channels = n
				}
			}
		}
	}
	t.CodecName = codecName(kind, config.p)
}

// parseSoundEntry reads what is common to audio, in the versions 0 to 2 of
// QuickTime, and returns the boxes behind it.
func (t *TrackInfo) parseSoundEntry(f *fields) fields {
	version := f.u16()
	f.skip(6)
	t.Channels = int(f.u16())
	f.skip(6) // bits, compression, packet size
	t.Rate = float64(f.u32()) / 65536
	switch version {
	case 1: // samples and bytes per packet
		f.skip(16)
	case 2:
		f.skip(4)
		t.Rate = math.Float64frombits(f.u64())
		t.Channels = int(f.u32())
		f.skip(20)
	}
	if !(t.Rate >= 1 && t.Rate < 1e7) { // rates beyond 65535 Hz do not fit into 16.16
		t.Rate = float64(t.Timescale)
	}
	if t.Channels > math.MaxUint16 {
		t.Channels = 0
	}
	return *f
}

// plainNames are codecs that need no look at their configuration.
var plainNames = map[string]string{
	"vp08": "VP8", "vp09": "VP9", "av01": "AV1", "mp4v": "MPEG-4 video", "jpeg": "JPEG", "mjpa": "Motion JPEG", "mjpb": "Motion JPEG",
	"s263": "H.263", "h263": "H.263", "apch": "ProRes 422 HQ", "apcn": "ProRes 422", "apcs": "ProRes 422 LT", "apco": "ProRes 422 Proxy",
	"ap4h": "ProRes 4444", "ap4x": "ProRes 4444 XQ", "png ": "PNG", "raw ": "raw", "vvc1": "VVC", "vvi1": "VVC",
	"Opus": "Opus", "fLaC": "FLAC", "alac": "ALAC", "ac-3": "AC-3", "ec-3": "E-AC-3", ".mp3": "MP3", "samr": "AMR-NB", "sawb": "AMR-WB",
	"sowt": "PCM, little endian", "twos": "PCM, big endian", "lpcm": "PCM", "ipcm": "PCM", "fpcm": "PCM, floating point",
	"in24": "PCM, 24 bits", "in32": "PCM, 32 bits", "fl32": "PCM, floating point", "fl64": "PCM, floating point",
	"ulaw": "G.711 µ-law", "alaw": "G.711 A-law",
	"tx3g": "timed text", "text": "QuickTime text", "wvtt": "WebVTT", "stpp": "TTML", "tmcd": "timecode", "c608": "CEA-608",
	"encv": "encrypted video", "enca": "encrypted audio",
}

// codecName is a readable name for a sample entry type and the boxes in it.
func codecName(kind string, config []byte) string {
	switch kind {
	case "avc1", "avc3":
		c, _ := childOf(config, "avcC")
		return avcName(c)
	case "hvc1", "hev1":
		c, _ := childOf(config, "hvcC")
		return hevcName(c)
	case "mp4a":
		return mpegAudioName(config)
	}
	if name := plainNames[kind]; name != "" {
		return name
	}
	return strings.TrimSpace(printable(kind))
}

// avcName reads profile and level of avcC (ISO/IEC 14496-15 5.3.3.1).
func avcName(c []byte) string {
	if len(c) < 4 {
		return "H.264"
	}
	profile := map[byte]string{66: " Baseline", 77: " Main", 88: " Extended", 100: " High", 110: " High 10", 122: " High 4:2:2", 244: " High 4:4:4"}[c[1]]
	if c[1] == 66 && c[2]&0x40 != 0 {
		profile = " Constrained Baseline"
	}
	return fmt.Sprintf("H.264%s %d.%d", profile, c[3]/10, c[3]%10)
}

// hevcName reads profile and level of hvcC (14496-15 8.3.3.1); levels are
// counted in thirtieths.
func hevcName(c []byte) string {
	if len(c) < 13 {
		return "HEVC"
	}
	profile := map[byte]string{1: " Main", 2: " Main 10", 3: " Main Still Picture", 4: " Range Extensions"}[c[1]&31]
	return fmt.Sprintf("HEVC%s %d.%d", profile, c[12]/30, c[12]%30/3)
}

// mpegAudioName tells the codec behind mp4a.
func mpegAudioName(config []byte) string {
	object, special := parseESDS(config)
	switch object {
	case 0x40, 0x66, 0x67, 0x68:
		kind, _ := parseAAC(special)
		if name := aacNames[kind]; name != "" {
			return name
		}
		return "AAC"
	case 0x69, 0x6b:
		return "MP3"
	case 0xa5:
		return "AC-3"
	case 0xad:
		return "Opus"
	}
	return "MPEG-4 audio"
}

// aacNames are by audio object type (ISO/IEC 14496-3 table 1.17).
var aacNames = map[int]string{1: "AAC Main", 2: "AAC LC", 5: "HE-AAC", 29: "HE-AAC v2", 23: "AAC LD", 39: "AAC ELD", 42: "xHE-AAC"}

// parseAAC reads object type and channels of an AudioSpecificConfig (14496-3
// 1.6.2.1); channels are 0 where they are told elsewhere.
func parseAAC(p []byte) (object, channels int) {
	var bits uint64 // the first eight bytes
	for i := range 8 {
		bits <<= 8
		if i < len(p) {
			bits |= uint64(p[i])
		}
	}
	take := func(n int) int {
		v := int(bits >> (64 - n))
		bits <<= n
		return v
	}
	if object = take(5); object == 31 {
		object = 32 + take(6)
	}
	if take(4) == 15 { // the rate itself follows
		take(24)
	}
	channels = take(4)
	if channels == 7 {
		channels = 8
	}
	return object, min(channels, 8)
}

// parseESDS finds esds, which QuickTime hides in a box wave, and returns the
// object type and the decoder's own configuration (ISO/IEC 14496-1 7.2.6).
func parseESDS(config []byte) (object byte, special []byte) {
	p, ok := childOf(config, "esds")
	if !ok {
		wave, _ := childOf(config, "wave")
		p, _ = childOf(wave, "esds")
	}
	f := fields{p: p}
	f.full()
	tag, body := takeDescriptor(&f)
	if tag != 3 { // ES_Descriptor
		return 0, nil
	}
	es := fields{p: body}
	es.skip(2)
	flags := es.u8()
	if flags&0x80 != 0 {
		es.skip(2)
	}
	if flags&0x40 != 0 {
		es.skip(int(es.u8()))
	}
	if flags&0x20 != 0 {
		es.skip(2)
	}
	if tag, body = takeDescriptor(&es); tag != 4 { // DecoderConfigDescriptor
		return 0, nil
	}
	decoder := fields{p: body}
	object = decoder.u8()
	decoder.skip(12)
	if tag, body = takeDescriptor(&decoder); tag == 5 { // DecoderSpecificInfo
		special = body
	}
	return object, special
}

// takeDescriptor takes a descriptor: tag, length in groups of seven bits, body.
func takeDescriptor(f *fields) (tag byte, body []byte) {
	tag = f.u8()
	length := 0
	for range 4 {
		b := f.u8()
		length = length<<7 | int(b&0x7f)
		if b&0x80 == 0 {
			break
		}
	}
	if f.short || length > len(f.p) {
		return 0, nil
	}
	return tag, f.take(length)
}
