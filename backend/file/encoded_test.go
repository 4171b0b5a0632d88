package file

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// delivery is an encoded sample as a session gets it.
type delivery struct {
	at, lead, lasts time.Duration
	key             media.Keyness
	lost            int
	hash            string
	format          *media.EncodedFormat
}

// deliveries are the encoded samples of a file, and how many came decoded.
type deliveries struct {
	encoded map[media.Kind][]delivery
	decoded map[media.Kind]int
	sink    *sinktest.Sink
	clock   *media.VirtualClock
}

// receive plays a file as it is coded until it ends or limit samples came.
func receive(t *testing.T, path string, o Options, limit int) *deliveries {
	t.Helper()
	d := &deliveries{encoded: map[media.Kind][]delivery{}, decoded: map[media.Kind]int{}, clock: media.NewVirtualClock()}
	enough := make(chan struct{})
	due, n := time.Duration(-1<<62), 0
	overlap := time.Duration(0)
	if o.Loop { // pictures are decoded before they are shown, the first ones too
		overlap = 100 * ms
	}
	d.sink = sinktest.New(func(k media.Kind, s media.Sample, waited bool) {
		if err := s.Validate(); err != nil || !waited {
			t.Errorf("sample of %v: %v, waited: %v", s.Time, err, waited)
		}
		if n++; n == limit {
			close(enough)
		}
		if s.Encoded == nil {
			d.decoded[k]++
			return
		}
		e := s.Encoded
		at := s.Time - max(e.Lead, 0)
		if at < due-overlap {
			t.Errorf("%s of %v is delivered after what is to be decoded at %v", k, at, due)
		}
		if now := d.clock.Now(); at > now+slack {
			t.Errorf("%s of %v is delivered at %v", k, at, now)
		}
		due = at
		sum := md5.Sum(e.Data)
		d.encoded[k] = append(d.encoded[k], delivery{s.Time, e.Lead, e.Duration, e.Key, e.Lost, hex.EncodeToString(sum[:]), e.Format})
	})
	o.Encoded = true
	conn, err := New(path, o).Connect(t.Context(), sinktest.Session(d.clock), d.sink)
	if err != nil {
		t.Fatal(err)
	}
	if limit > 0 {
		select {
		case <-enough:
		case <-time.After(patience):
			t.Fatal("too few samples")
		}
	} else if !d.sink.WaitEnd(patience) {
		t.Fatal("the file did not end")
	}
	conn.Close()
	if n := ffmpeg.LiveObjects(); n != 0 {
		t.Errorf("%d objects of FFmpeg are left", n)
	}
	return d
}

// probed is what ffprobe says of a file.
type probed struct {
	Streams []struct {
		Type      string `json:"codec_type"`
		Codec     string `json:"codec_name"`
		Extradata string `json:"extradata_hash"`
	}
	Packets []struct {
		Type     string  `json:"codec_type"`
		PTS      seconds `json:"pts_time"`
		DTS      seconds `json:"dts_time"`
		Duration seconds `json:"duration_time"`
		Flags    string
		Hash     string `json:"data_hash"`
	}
	Format struct {
		Start seconds `json:"start_time"`
	}
}

// seconds is a time, negative and large where it is unknown.
type seconds string

func (s seconds) duration(t *testing.T) (d time.Duration, known bool) {
	t.Helper()
	if s == "" {
		return 0, false
	}
	d, err := time.ParseDuration(string(s) + "s")
	if err != nil {
		t.Fatal(err)
	}
	return d, true
}

func ffprobe(t *testing.T, path string) probed {
	t.Helper()
	out, err := exec.Command(judge.Tool(t, "ffprobe"), "-v", "error", "-show_streams", "-show_packets", "-show_format",
		"-show_data_hash", "md5", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var p probed
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// equal checks that what was delivered is what ffprobe sees in the file: each
// byte, and times to the microsecond, in which ffprobe shows them.
func (d *deliveries) equal(t *testing.T, p probed) {
	t.Helper()
	start, _ := p.Format.Start.duration(t)
	for kind, name := range map[media.Kind]string{media.KindVideo: "video", media.KindAudio: "audio"} {
		got := d.encoded[kind]
		n := 0
		for _, q := range p.Packets {
			if q.Type != name || d.decoded[kind] > 0 {
				continue
			}
			if n == len(got) {
				t.Errorf("only %d packets of %s", n, name)
				break
			}
			g := got[n]
			n++
			pts, _ := q.PTS.duration(t)
			lasts, _ := q.Duration.duration(t)
			if dts, known := q.DTS.duration(t); known && !near(g.lead, pts-dts) {
				t.Errorf("%s %d: lead %v, want %v", name, n, g.lead, pts-dts)
			}
			if !near(g.at, pts-start) || !near(g.lasts, lasts) {
				t.Errorf("%s %d: at %v for %v, want at %v for %v", name, n, g.at, g.lasts, pts-start, lasts)
			}
			if (g.key == media.KeyFrame) != strings.Contains(q.Flags, "K") || "MD5:"+g.hash != q.Hash {
				t.Errorf("%s %d: key %v, hash %s; want %s, %s", name, n, g.key, g.hash, q.Flags, q.Hash)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		if n != len(got) {
			t.Errorf("%d packets of %s, want %d", len(got), name, n)
		}
	}
	for _, s := range p.Streams {
		for _, track := range d.sink.Tracks() {
			if track.Encoded.Codec.String() != s.Codec {
				continue
			}
			sum := md5.Sum(track.Encoded.Config)
			if has := len(track.Encoded.Config) > 0; has != (s.Extradata != "") || has && "MD5:"+hex.EncodeToString(sum[:]) != s.Extradata {
				t.Errorf("configuration of %s: % x, want one of hash %s", s.Codec, track.Encoded.Config, s.Extradata)
			}
		}
	}
}

func near(a, b time.Duration) bool { return (a - b).Abs() <= time.Microsecond }

func TestEncodedPacketsAreThoseOfTheFile(t *testing.T) {
	h264 := []string{"-c:v", "libx264", "-bf", "3", "-g", "20"}
	hevc := []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=3"}
	vp8 := []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"}
	vp9 := []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"}
	av1 := []string{"-c:v", "libsvtav1", "-preset", "12"}
	aac, opus, flac := []string{"-c:a", "aac"}, []string{"-c:a", "libopus"}, []string{"-c:a", "flac"}
	none := []string{"-vn"}
	const plain, prefixed, adts = media.PackingDefault, media.LengthPrefixed, media.ADTS
	for _, c := range []struct {
		name    string
		args    [][]string
		codecs  [2]media.Codec // of pictures, of audio
		packing [2]media.Packing
	}{
		{"1.mp4", [][]string{h264, aac}, [2]media.Codec{media.H264, media.AAC}, [2]media.Packing{prefixed, plain}},
		{"2.mp4", [][]string{hevc, opus}, [2]media.Codec{media.HEVC, media.Opus}, [2]media.Packing{prefixed, plain}},
		{"3.mp4", [][]string{av1, aac, {"-movflags", "frag_keyframe+empty_moov"}}, [2]media.Codec{media.AV1, media.AAC}, [2]media.Packing{}},
		{"4.mkv", [][]string{h264, opus}, [2]media.Codec{media.H264, media.Opus}, [2]media.Packing{prefixed, plain}},
		{"5.mkv", [][]string{hevc, aac}, [2]media.Codec{media.HEVC, media.AAC}, [2]media.Packing{prefixed, plain}},
		{"6.mkv", [][]string{h264, flac}, [2]media.Codec{media.H264, 0}, [2]media.Packing{prefixed, plain}},
		{"7.ts", [][]string{h264, aac}, [2]media.Codec{media.H264, media.AAC}, [2]media.Packing{plain, adts}},
		{"8.ts", [][]string{hevc, opus}, [2]media.Codec{media.HEVC, media.Opus}, [2]media.Packing{}},
		{"9.webm", [][]string{vp8, opus}, [2]media.Codec{media.VP8, media.Opus}, [2]media.Packing{}},
		{"10.webm", [][]string{vp9, opus}, [2]media.Codec{media.VP9, media.Opus}, [2]media.Packing{}},
		{"11.webm", [][]string{av1, opus}, [2]media.Codec{media.AV1, media.Opus}, [2]media.Packing{}},
		{"12.flv", [][]string{h264, aac}, [2]media.Codec{media.H264, media.AAC}, [2]media.Packing{prefixed, plain}},
		{"13.ogg", [][]string{none, opus}, [2]media.Codec{0, media.Opus}, [2]media.Packing{}},
		{"14.aac", [][]string{none, aac}, [2]media.Codec{0, media.AAC}, [2]media.Packing{plain, adts}},
		{"15.wav", [][]string{none, {"-c:a", "pcm_alaw", "-ar", "8000"}}, [2]media.Codec{0, media.PCMA}, [2]media.Packing{}},
		{"16.wav", [][]string{none, {"-c:a", "g722", "-ar", "16000"}}, [2]media.Codec{0, media.G722}, [2]media.Packing{}},
		{"17.mov", [][]string{h264, {"-c:a", "pcm_mulaw", "-ar", "8000"}}, [2]media.Codec{media.H264, media.PCMU}, [2]media.Packing{prefixed, plain}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := clip(t, c.name, bytesJoin(c.args)...)
			d := receive(t, path, Options{}, 0)
			d.equal(t, ffprobe(t, path))
			if ends := d.sink.Ends(); len(ends) != 1 || ends[0] != nil {
				t.Errorf("End was called with %v, want once with nil", ends)
			}
			for i, kind := range []media.Kind{media.KindVideo, media.KindAudio} {
				got := d.encoded[kind]
				if c.codecs[i] == 0 {
					if len(got) != 0 {
						t.Errorf("%d packets of %s", len(got), kind)
					}
					continue
				}
				if len(got) < 4 || d.decoded[kind] > 0 {
					t.Fatalf("%s: %d packets, %d decoded samples", kind, len(got), d.decoded[kind])
				}
				if f := got[0].format; f.Codec != c.codecs[i] || f.Packing != c.packing[i] {
					t.Errorf("%s is %v %v, want %v %v", kind, f, f.Packing, c.codecs[i], c.packing[i])
				}
			}
		})
	}
}

func bytesJoin(args [][]string) (all []string) {
	for _, a := range args {
		all = append(all, a...)
	}
	return all
}

// What media has no word for is decoded beside what it has one for.
func TestOtherCodecsAreDecoded(t *testing.T) {
	d := receive(t, clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "flac"), Options{}, 0)
	if len(d.encoded[media.KindVideo]) != 50 || d.decoded[media.KindAudio] < 10 || len(d.encoded[media.KindAudio]) != 0 {
		t.Errorf("%d pictures, %d pieces of audio decoded", len(d.encoded[media.KindVideo]), d.decoded[media.KindAudio])
	}
	d = receive(t, clip(t, "clip.mp3", "-vn", "-c:a", "libmp3lame"), Options{}, 0)
	if d.decoded[media.KindAudio] < 10 || len(d.sink.Tracks()) != 1 || !d.sink.Tracks()[0].Encoded.IsZero() {
		t.Errorf("mp3: %d decoded, tracks %v", d.decoded[media.KindAudio], d.sink.Tracks())
	}
}

// Raw H.264, and that with B-frames in AVI, does not say when a picture is
// shown; what an edit list leaves out in front must not be shown.
func TestWhatACopyWouldGetWrongIsDecoded(t *testing.T) {
	long := clip(t, "long.mp4", "-c:v", "libx264", "-g", "50", "-bf", "2", "-c:a", "aac")
	for name, path := range map[string]string{
		"raw":  clip(t, "clip.h264", "-an", "-c:v", "libx264", "-bf", "3"),
		"avi":  clip(t, "clip.avi", "-c:v", "libx264", "-bf", "3", "-c:a", "pcm_mulaw", "-ar", "8000"),
		"edit": judge.Make(t, "cut.mp4", "-ss", "1", "-i", long, "-c", "copy"),
	} {
		d := receive(t, path, Options{}, 0)
		want := 50
		if name == "edit" {
			want = 25
		}
		if n := d.decoded[media.KindVideo]; n < want || n > want+1 || len(d.encoded[media.KindVideo]) > 0 {
			t.Errorf("%s: %d pictures decoded and %d not, want %d", name, n, len(d.encoded[media.KindVideo]), want)
		}
		if name != "raw" && len(d.encoded[media.KindAudio]) == 0 {
			t.Errorf("%s: audio was decoded too", name)
		}
	}
}

func TestLoopOfEncodedStreams(t *testing.T) {
	for _, name := range []string{"clip.mp4", "clip.mkv", "clip.ts", "opus.mp4"} {
		sound := "aac"
		if strings.HasPrefix(name, "opus") {
			sound = "libopus"
		}
		path := clip(t, name, "-c:v", "libx264", "-bf", "3", "-c:a", sound)
		d := receive(t, path, Options{Loop: true}, 500)
		pictures, keys := map[time.Duration]bool{}, 0
		for _, v := range d.encoded[media.KindVideo] {
			if n := (v.at + ms/2) / (40 * ms); pictures[n] {
				t.Errorf("%s: two pictures at %v", name, v.at)
			} else {
				pictures[n] = true
			}
			if v.key == media.KeyFrame {
				keys++
			}
		}
		if keys < 2 {
			t.Errorf("%s: %d keyframes in %d pictures", name, keys, len(pictures))
		}
		audio := d.encoded[media.KindAudio]
		for i, a := range audio[1:] {
			// A file ends where the longer of its streams does.
			if gap := a.at - audio[i].at; gap <= 0 || gap > 80*ms {
				t.Errorf("%s: audio at %v after %v", name, a.at, audio[i].at)
			}
		}
	}
}

func TestDamagedPacketsAreLeftOutAndCounted(t *testing.T) {
	path := clip(t, "clip.ts", "-c:v", "libx264", "-g", "10", "-c:a", "aac")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(data) / 3; i < len(data)/2; i++ {
		data[i] = byte(i * 7919)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	d := receive(t, path, Options{}, 0)
	lost, last := 0, time.Duration(0)
	for _, v := range d.encoded[media.KindVideo] {
		lost, last = lost+v.lost, v.at
	}
	if n := len(d.encoded[media.KindVideo]); n < 20 || n >= 50 || lost == 0 || last < 1900*ms {
		t.Errorf("%d pictures of 50, %d known to be lost, the last one at %v", n, lost, last)
	}
	if ends := d.sink.Ends(); len(ends) != 1 || ends[0] != nil {
		t.Errorf("ended with %v", ends)
	}
}

func TestATruncatedFileIsDeliveredAsFarAsItGoes(t *testing.T) {
	path := clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "aac")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	if d := receive(t, path, Options{}, 0); len(d.encoded[media.KindVideo]) < 10 || len(d.sink.Ends()) != 1 {
		t.Errorf("%d pictures, ended with %v", len(d.encoded[media.KindVideo]), d.sink.Ends())
	}
}

// Two films of different size, one behind the other in one stream of FLV: the
// second one's configuration comes with its first packet.
func TestAnotherConfigurationInMidStream(t *testing.T) {
	small := clip(t, "small.flv", "-an", "-c:v", "libx264", "-bf", "2")
	large := clip(t, "large.flv", "-an", "-c:v", "libx264", "-vf", "scale=320:240")
	path := filepath.Join(t.TempDir(), "both.flv")
	first, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(large)
	if err != nil {
		t.Fatal(err)
	}
	const header = 9 + 4 // FLV header and the size of no tag before it
	if err := os.WriteFile(path, append(first, second[header:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	d := receive(t, path, Options{}, 0)
	got := d.encoded[media.KindVideo]
	if len(got) != 100 {
		t.Fatalf("%d pictures, want 100", len(got))
	}
	before, after := got[49].format, got[50].format
	if before == after || before != got[0].format || after != got[99].format || bytes.Equal(before.Config, after.Config) {
		t.Errorf("formats %p %p %p %p", got[0].format, before, after, got[99].format)
	}
	if before.Width != 160 || after.Width != 0 || after.Packing != media.LengthPrefixed {
		t.Errorf("formats %v and %v", before, after)
	}
	// Its times begin anew, and follow on.
	if begin := got[50].at - got[50].lead; got[50].at < got[49].at || begin > 2200*ms {
		t.Errorf("the second film begins at %v", got[50].at)
	}
}

func TestPoorInterleaveOfEncodedStreams(t *testing.T) {
	path := oneStreamAfterTheOther(t)
	d := receive(t, path, Options{}, 0) // which checks the order
	d.equal(t, ffprobe(t, path))
}

// Nothing is allocated for a packet once all pools are filled.
func TestCopyingDoesNotAllocate(t *testing.T) {
	path := clip(t, "clip.mkv", "-c:v", "libx264", "-bf", "2", "-c:a", "aac")
	in, err := openInput(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	st := in.Streams()[0]
	l := &lane{stream: st, format: encodedFormat(in, st)}
	if err := l.open(in, false); err != nil {
		t.Fatal(err)
	}
	r := reader{in: in, lanes: []*lane{l}}
	defer r.close()
	step := func() {
		if _, err := r.next(t.Context()); err != nil || !l.ready {
			t.Fatal("no sample", err)
		}
		u := l.take()
		u.Release()
	}
	for range 10 {
		step()
	}
	if n := testing.AllocsPerRun(30, step); n != 0 {
		t.Errorf("%v allocations for each packet", n)
	}
}
