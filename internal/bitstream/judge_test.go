package bitstream_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// A packet is an access unit as FFmpeg cuts the stream, and whether it takes it
// for a key.
type packet struct {
	data []byte
	key  bool
}

// scenes is four seconds of a moving picture with two changes of scene.
const scenes = "testsrc2=s=160x96:r=25:d=2[a];smptebars=s=160x96:r=25:d=1[b];mandelbrot=s=160x96:r=25,trim=duration=1[c];" +
	"[a][b][c]concat=n=3,format=yuv420p"

// encode has ffmpeg encode, and ffprobe cut the raw stream.
func encode(t *testing.T, codec media.Codec, args ...string) []packet {
	t.Helper()
	name := map[media.Codec]string{media.H264: "a.h264", media.HEVC: "a.hevc"}[codec]
	if name == "" {
		name = "a.ivf"
	}
	return packetsOf(t, judge.Make(t, name, append([]string{"-filter_complex", scenes}, args...)...))
}

// encodeTwice lets an encoder of VP8 or VP9 look at all pictures before, so that
// it makes alternate reference frames, which are not shown.
func encodeTwice(t *testing.T, args ...string) []packet {
	t.Helper()
	args = append([]string{"-filter_complex", scenes, "-passlogfile", filepath.Join(t.TempDir(), "log")}, args...)
	judge.Make(t, "first.ivf", append(args, "-pass", "1")...)
	return packetsOf(t, judge.Make(t, "a.ivf", append(args, "-pass", "2")...))
}

func packetsOf(t *testing.T, path string) (packets []packet) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := judge.Run(t, "ffprobe", "-v", "error", "-show_entries", "packet=size,flags", "-of", "csv=p=0", path)
	ivf := filepath.Ext(path) == ".ivf"
	if ivf {
		raw = raw[32:]
	}
	for line := range strings.Lines(string(out)) {
		var size int
		var flags string
		if _, err := fmt.Sscanf(strings.TrimSpace(strings.Replace(line, ",", " ", 1)), "%d %s", &size, &flags); err != nil {
			t.Fatalf("ffprobe: %q: %v", line, err)
		}
		if ivf {
			if n := int(binary.LittleEndian.Uint32(raw)); n != size {
				t.Fatalf("frame of %d bytes, ffprobe says %d", n, size)
			}
			raw = raw[12:]
		}
		packets = append(packets, packet{raw[:size:size], strings.HasPrefix(flags, "K")})
		raw = raw[size:]
	}
	if len(raw) != 0 || len(packets) < 50 {
		t.Fatalf("%d packets, %d bytes are left", len(packets), len(raw))
	}
	return packets
}

// keysOf reads a stream and compares with FFmpeg's view. It returns what it has
// seen.
func keysOf(t *testing.T, v *bitstream.Video, packets []packet) (seen []bitstream.Picture) {
	t.Helper()
	for i, p := range packets {
		got, err := v.Read(p.data)
		if err != nil || got.Key != p.key || !got.HasPicture || !got.FirstSlice || got.Changed != (i == 0) {
			t.Errorf("packet %d of %d bytes: %+v, %v; ffprobe says key %v", i, len(p.data), got, err, p.key)
		}
		seen = append(seen, got)
	}
	if w, h := v.Size(); w != 160 || h != 96 || !v.Ready() {
		t.Errorf("%dx%d, ready %v", w, h, v.Ready())
	}
	return seen
}

func TestKeysOfX264(t *testing.T) {
	for name, params := range map[string]string{
		"plain":             "keyint=25",
		"delimiters":        "keyint=25:aud=1:bframes=3",
		"slices":            "keyint=25:slices=4:bframes=2",
		"open GOP":          "keyint=25:open-gop=1:bframes=3:scenecut=0",
		"open GOP, pyramid": "keyint=20:min-keyint=20:open-gop=1:bframes=3:b-pyramid=normal:b-adapt=0",
		"intra refresh":     "keyint=25:intra-refresh=1",
		"fields":            "keyint=25:interlaced=1:bframes=2",
		"top fields":        "keyint=25:tff=1:bframes=1:slices=2:aud=1",
		"long with scenes":  "keyint=1000:scenecut=60",
		"all intra":         "keyint=1",
		"buffer model":      "keyint=25:nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packets := encode(t, media.H264, "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-x264-params", params)
			keys, refreshes := 0, 0
			for _, p := range keysOf(t, newVideo(t, &media.EncodedFormat{Codec: media.H264}), packets) {
				if p.Key {
					keys++
				}
				if p.Recovery > 0 {
					refreshes++
				}
			}
			if (keys > 3) == strings.HasPrefix(name, "long") || (refreshes > 0) != (name == "intra refresh") {
				t.Errorf("%d keys, %d of them refresh bit by bit", keys, refreshes)
			}
		})
	}
}

func TestKeysOfX265(t *testing.T) {
	for name, params := range map[string]string{
		"delimiters":     "keyint=25:aud=1:bframes=3",
		"slices":         "keyint=25:slices=2:bframes=2",
		"open GOP":       "keyint=25:open-gop=1:bframes=3",
		"sub-layers":     "keyint=25:temporal-layers=1:bframes=3",
		"with SEI":       "keyint=25:hrd=1:vbv-maxrate=500:vbv-bufsize=500",
		"fields":         "keyint=25:interlace=tff:bframes=2",
		"long and scene": "keyint=1000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packets := encode(t, media.HEVC, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:pools=none:frame-threads=1:"+params)
			keysOf(t, newVideo(t, &media.EncodedFormat{Codec: media.HEVC}), packets)
		})
	}
}

// x265 refreshes bit by bit without a word, but for parameter sets. Who joins
// later, or has waited long for the next IDR picture, begins with those; with a
// recovery point message at once.
func TestIntraRefreshOfX265(t *testing.T) {
	packets := encode(t, media.HEVC, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:pools=none:keyint=25:intra-refresh=1:scenecut=0")
	keys := func(v *bitstream.Video, packets []packet, times int) (at, recovery []int) {
		for n := range times * len(packets) {
			got, err := v.Read(packets[n%len(packets)].data)
			if err != nil {
				t.Fatal(err)
			}
			if got.Key {
				at, recovery = append(at, n), append(recovery, got.Recovery)
			}
		}
		return at, recovery
	}
	v := newVideo(t, &media.EncodedFormat{Codec: media.HEVC})
	if at, recovery := keys(v, packets, 1); !slices.Equal(at, []int{0}) || recovery[0] != 0 {
		t.Errorf("keys at %d with recovery %d", at, recovery)
	}
	f := &media.EncodedFormat{Codec: media.HEVC, Config: v.ExtraData()}
	const none = bitstream.UnknownRecovery
	late := packets[1:] // 99 pictures, the 25th of which has parameter sets
	if at, recovery := keys(newVideo(t, f), late, 4); !slices.Equal(at, []int{3*99 + 24, 3*99 + 49, 3*99 + 74}) || recovery[0] != none {
		t.Errorf("who joins later: keys at %d with recovery %d", at, recovery)
	}
	// The message says: whole when the order count is 10 higher.
	message := []byte{0, 0, 0, 1, 0x4E, 0x01, 0x06, 0x02, 0x0A, 0x50, 0x80}
	late = slices.Clone(late)
	for _, n := range []int{24, 49, 74} {
		late[n].data = append(message, late[n].data...)
	}
	if at, recovery := keys(newVideo(t, f), late, 1); !slices.Equal(at, []int{24, 49, 74}) || recovery[0] != 10 {
		t.Errorf("with messages: keys at %d with recovery %d", at, recovery)
	}
}

func TestKeysOfVP8VP9AV1(t *testing.T) {
	for name, tt := range map[string]struct {
		codec media.Codec
		args  string
	}{
		"VP8":           {media.VP8, "-c:v libvpx -g 25 -deadline realtime -cpu-used 8"},
		"VP9":           {media.VP9, "-c:v libvpx-vp9 -g 25 -deadline realtime -cpu-used 8"},
		"AV1 by libaom": {media.AV1, "-c:v libaom-av1 -g 25 -cpu-used 8 -lag-in-frames 16 -frames:v 60"},
		"AV1 by SVT":    {media.AV1, "-c:v libsvtav1 -g 25 -preset 12"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packets := encode(t, tt.codec, strings.Fields(tt.args)...)
			for i, p := range keysOf(t, newVideo(t, &media.EncodedFormat{Codec: tt.codec}), packets) {
				if p.Hidden {
					t.Errorf("packet %d: hidden", i)
				}
			}
		})
	}
}

// VP8 has hidden frames by themselves, VP9 in superframes with a shown one.
func TestHiddenFrames(t *testing.T) {
	for codec, encoder := range map[media.Codec]string{media.VP8: "libvpx", media.VP9: "libvpx-vp9"} {
		t.Run(codec.String(), func(t *testing.T) {
			t.Parallel()
			packets := encodeTwice(t, "-c:v", encoder, "-g", "60", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "100k", "-cpu-used", "5")
			superframes, hidden := 0, 0
			for i, p := range keysOf(t, newVideo(t, &media.EncodedFormat{Codec: codec}), packets) {
				if data := packets[i].data; codec == media.VP9 && data[len(data)-1]&0xE0 == 0xC0 {
					superframes++
				}
				if p.Hidden {
					hidden++
				}
			}
			if hidden != len(packets)-100 || (superframes == 0) != (codec == media.VP8) {
				t.Errorf("%d packets for 100 pictures, %d of them superframes, %d hidden", len(packets), superframes, hidden)
			}
		})
	}
}

// Discardable pictures can be left out: FFmpeg decodes what is left to the same
// pictures.
func TestDiscardable(t *testing.T) {
	for codec, args := range map[media.Codec]string{
		media.H264: "-c:v libx264 -preset veryfast -bf 3",
		media.HEVC: "-c:v libx265 -preset ultrafast -bf 3 -x265-params log-level=none:pools=none",
		media.VP8: "-c:v libvpx -deadline realtime -cpu-used 8 -error-resilient 1 " +
			"-ts-parameters ts_number_layers=3:ts_target_bitrate=60,120,200:ts_rate_decimator=4,2,1:ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3",
		media.VP9: "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -error-resilient 1 " +
			"-ts-parameters ts_number_layers=3:ts_target_bitrate=60,120,200:ts_rate_decimator=4,2,1:ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3",
	} {
		t.Run(codec.String(), func(t *testing.T) {
			t.Parallel()
			v := newVideo(t, &media.EncodedFormat{Codec: codec})
			var all, left []packet
			for _, p := range encode(t, codec, strings.Fields(args)...) {
				all = append(all, p)
				if seen, err := v.Read(p.data); err != nil {
					t.Fatal(err)
				} else if !seen.Discardable {
					left = append(left, p)
				}
			}
			// At most three of four are B pictures, half are in the highest layer.
			if len(all)-len(left) < 10 || len(left) < 20 {
				t.Fatalf("%d of %d pictures are discardable", len(all)-len(left), len(all))
			}
			whole := map[string]bool{}
			for _, hash := range pictureHashes(t, codec, all) {
				whole[hash] = true
			}
			for i, hash := range pictureHashes(t, codec, left) {
				if !whole[hash] {
					t.Fatalf("picture %d of %d is another without the discardable ones", i, len(left))
				}
			}
		})
	}
}

// pictureHashes decodes a stream.
func pictureHashes(t *testing.T, codec media.Codec, packets []packet) (hashes []string) {
	t.Helper()
	format := map[media.Codec]string{media.H264: "h264", media.HEVC: "hevc"}[codec]
	var stream []byte
	if format == "" {
		format = "ivf"
		stream = append([]byte("DKIF\x00\x00\x20\x00"+map[media.Codec]string{media.VP8: "VP80", media.VP9: "VP90"}[codec]), make([]byte, 20)...)
		binary.LittleEndian.PutUint16(stream[12:], 160)
		binary.LittleEndian.PutUint16(stream[14:], 96)
		binary.LittleEndian.PutUint32(stream[16:], 25)
		binary.LittleEndian.PutUint32(stream[20:], 1)
	}
	for i, p := range packets {
		if format == "ivf" {
			stream = binary.LittleEndian.AppendUint32(stream, uint32(len(p.data)))
			stream = binary.LittleEndian.AppendUint64(stream, uint64(i))
		}
		stream = append(stream, p.data...)
	}
	path := filepath.Join(t.TempDir(), "left."+format)
	if err := os.WriteFile(path, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	out := judge.Run(t, "ffmpeg", "-nostdin", "-v", "error", "-f", format, "-i", path, "-fps_mode", "passthrough", "-f", "framehash", "-hash", "md5", "-")
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(strings.TrimSpace(line), ","); len(fields) == 6 && line[0] != '#' {
			hashes = append(hashes, strings.TrimSpace(fields[5]))
		}
	}
	if len(hashes) < len(packets)*9/10 {
		t.Fatalf("%d pictures of %d packets", len(hashes), len(packets))
	}
	return hashes
}
