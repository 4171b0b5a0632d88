package bitstream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/media"
)

// nals splits a byte stream.
func nals(t testing.TB, au []byte) (all [][]byte) {
	t.Helper()
	c := bitstream.NALs(&media.EncodedFormat{Codec: media.H264}, au)
	for nal, ok := c.Next(); ok; nal, ok = c.Next() {
		all = append(all, nal)
	}
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	return all
}

func byteStream(nals ...[]byte) (b []byte) {
	for _, n := range nals {
		b = append(append(b, 0, 0, 0, 1), n...)
	}
	return b
}

func withLengths(size int, nals ...[]byte) (b []byte) {
	for _, n := range nals {
		b = append(append(b, binary.BigEndian.AppendUint32(nil, uint32(len(n)))[4-size:]...), n...)
	}
	return b
}

// Of each codec, the same pictures with lengths of 1, 2 and 4 bytes and with
// start codes, and conversions between them.
func TestLengthPrefixed(t *testing.T) {
	for _, codec := range []media.Codec{media.H264, media.HEVC} {
		c := clip.Encode(t, codec.String(), clip.Options{Width: 32, Height: 32, BFrames: 1})
		config := nals(t, c.Extra)
		for _, size := range []int{1, 2, 4} {
			f := &media.EncodedFormat{Codec: codec, Packing: media.LengthPrefixed, Config: record(codec, size, config)}
			v, plain := newVideo(t, f), newVideo(t, &media.EncodedFormat{Codec: codec, Config: c.Extra})
			if !v.Ready() || !bytes.Equal(v.ExtraData(), plain.ExtraData()) {
				t.Errorf("%s, lengths of %d: ready %v with % x, want % x", codec, size, v.Ready(), v.ExtraData(), plain.ExtraData())
			}
			for i, s := range c.Samples {
				units := nals(t, s.Data)
				if slices.ContainsFunc(units, func(n []byte) bool { return size == 1 && len(n) > 255 }) {
					continue
				}
				data := withLengths(size, units...)
				want, _ := plain.Read(s.Data)
				if got, err := v.Read(data); err != nil || got != want {
					t.Fatalf("%s, lengths of %d, sample %d: %+v, %v, want %+v", codec, size, i, got, err, want)
				}
				if got, err := bitstream.AppendAnnexB([]byte("x"), f, data); err != nil || !bytes.Equal(got[1:], byteStream(units...)) {
					t.Fatalf("%s, lengths of %d, sample %d: no byte stream of it, %v", codec, size, i, err)
				}
				if got, err := bitstream.AppendLength4([]byte("x"), f, data); err != nil || !bytes.Equal(got[1:], withLengths(4, units...)) {
					t.Fatalf("%s, lengths of %d, sample %d: no lengths of 4 of it, %v", codec, size, i, err)
				}
				if got, err := bitstream.AppendLength4([]byte("x"), f, data[:len(data)-1]); !errors.Is(err, media.ErrLength) || string(got) != "x" {
					t.Fatalf("%s, lengths of %d, sample %d cut: %v, %d bytes", codec, size, i, err, len(got))
				}
			}
		}
		bad := &media.EncodedFormat{Codec: codec, Packing: media.LengthPrefixed, Config: record(codec, 3, config)}
		if _, err := bitstream.NewVideo(bad); !errors.Is(err, media.ErrFormat) {
			t.Errorf("%s, lengths of 3: %v", codec, err)
		}
	}
}

// record is the payload of an avcC or hvcC with such parameter sets; only what
// is read is filled in.
func record(codec media.Codec, lengthSize int, sets [][]byte) []byte {
	isSPS := func(n []byte) bool { return bitstream.AVCType(n) == bitstream.AVCSPSType }
	if codec == media.H264 {
		sps, pps := sets[slices.IndexFunc(sets, isSPS)], sets[slices.IndexFunc(sets, func(n []byte) bool { return bitstream.AVCType(n) == bitstream.AVCPPSType })]
		b := append([]byte{1, sps[1], sps[2], sps[3], 0xFC | byte(lengthSize-1), 0xE1}, withLengths(2, sps)...)
		return append(append(b, 1), withLengths(2, pps)...)
	}
	b := append(make([]byte, 21), 0xFC|byte(lengthSize-1), byte(len(sets)))
	b[0] = 1
	for _, n := range sets {
		b = append(append(b, 0x80|n[0]>>1, 0, 1), withLengths(2, n)...)
	}
	return b
}

// NAL units come one by one, as over RTP without waiting for the whole picture.
func TestSingleNALs(t *testing.T) {
	for _, codec := range []media.Codec{media.H264, media.HEVC} {
		c := clip.Encode(t, codec.String(), clip.Options{})
		v := newVideo(t, &media.EncodedFormat{Codec: codec})
		for i, s := range c.Samples {
			units := nals(t, s.Data)
			if s.Sync {
				units = append(nals(t, c.Extra), units...)
			}
			pictures := 0
			for _, n := range units {
				p, err := v.Read(byteStream(n))
				if err != nil {
					t.Fatal(err)
				}
				if !p.HasPicture {
					if p != (bitstream.Picture{}) {
						t.Errorf("%s, sample %d: %+v of no picture", codec, i, p)
					}
					continue
				}
				if pictures++; p.Key != s.Sync || !p.FirstSlice || p.Changed != (i == 0) {
					t.Errorf("%s, sample %d, sync %v: %+v", codec, i, s.Sync, p)
				}
			}
			if pictures != 1 {
				t.Errorf("%s, sample %d: %d pictures", codec, i, pictures)
			}
		}
	}
}

// The size changes in mid-stream: with the key, and once.
func TestChanged(t *testing.T) {
	for _, codec := range pictureCodecs {
		small := clip.Encode(t, codec.String(), clip.Options{Seconds: 1})
		large := clip.Encode(t, codec.String(), clip.Options{Seconds: 1, Width: 96, Height: 64})
		v := newVideo(t, &media.EncodedFormat{Codec: codec, Config: small.Extra})
		var extra [][]byte
		for n, c := range []clip.Clip{small, large, large, small} {
			for i, s := range c.Samples {
				if i == 0 && n > 0 && len(c.Extra) > 0 {
					// Parameter sets before a key that has not come yet.
					if p, err := v.Read(c.Extra); err != nil || p != (bitstream.Picture{}) {
						t.Fatalf("%s: configuration: %+v, %v", codec, p, err)
					}
					if n == 1 && !bytes.Equal(v.ExtraData(), extra[0]) {
						t.Errorf("%s: other description before the key", codec)
					}
				}
				p, err := v.Read(s.Data)
				first := n == 0 && len(c.Extra) == 0
				if err != nil || p.Changed != (i == 0 && (first || n == 1 || n == 3)) {
					t.Fatalf("%s, part %d, sample %d: %+v, %v", codec, n, i, p, err)
				}
			}
			if w, h := v.Size(); w != c.Width || h != c.Height {
				t.Errorf("%s, part %d: %dx%d", codec, n, w, h)
			}
			extra = append(extra, v.ExtraData())
		}
		if codec == media.VP8 || codec == media.VP9 {
			continue
		}
		if bytes.Equal(extra[0], extra[1]) || !bytes.Equal(extra[1], extra[2]) || !bytes.Equal(extra[0], extra[3]) {
			t.Errorf("%s: extradata % x", codec, extra)
		}
		if again := newVideo(t, &media.EncodedFormat{Codec: codec, Config: extra[1]}); !again.Ready() || !bytes.Equal(again.ExtraData(), extra[1]) {
			t.Errorf("%s: own extradata is read as % x", codec, again.ExtraData())
		}
	}
}

// Decoding begins with the first frame of a superframe.
func TestSuperframeKey(t *testing.T) {
	c := clip.Encode(t, "vp9", clip.Options{Seconds: 1})
	key, delta := c.Samples[0].Data, c.Samples[1].Data
	for _, frames := range [][2][]byte{{key, delta}, {delta, key}} {
		const two = 0xC0 | 1<<3 | 1 // two frames, sizes of two bytes
		index := []byte{two, byte(len(frames[0])), byte(len(frames[0]) >> 8), byte(len(frames[1])), byte(len(frames[1]) >> 8), two}
		p, err := newVideo(t, &media.EncodedFormat{Codec: media.VP9}).Read(slices.Concat(frames[0], frames[1], index))
		if err != nil || p.Key != (&frames[0][0] == &key[0]) {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

// withoutIDR makes of each IDR picture an I picture, and leaves out parameter
// sets and SEI messages where told.
func withoutIDR(t *testing.T, au []byte, sets bool) []byte {
	var kept [][]byte
	for _, n := range nals(t, au) {
		switch n = bytes.Clone(n); bitstream.AVCType(n) {
		case bitstream.AVCIDR:
			n[0] = n[0]&^0x1F | 1
		case bitstream.AVCSPSType, bitstream.AVCPPSType:
			if !sets {
				continue
			}
		}
		kept = append(kept, n)
	}
	return byteStream(kept...)
}

func TestEntryWithoutIDR(t *testing.T) {
	c := clip.Encode(t, "h264", clip.Options{Seconds: 70, GOP: 20, Width: 32, Height: 32}) // 700 pictures
	withSets := func(s clip.Sample) []byte {
		if s.Sync {
			return append(bytes.Clone(c.Extra), s.Data...)
		}
		return s.Data
	}
	keys := func(stream func(i int) []byte) (at []int) {
		v := newVideo(t, &media.EncodedFormat{Codec: media.H264, Config: c.Extra})
		for i := range c.Samples {
			p, err := v.Read(stream(i))
			if err != nil {
				t.Fatal(err)
			}
			if p.Key {
				at = append(at, i)
			}
		}
		return at
	}
	all := keys(func(i int) []byte { return withSets(c.Samples[i]) })
	if len(all) != 35 {
		t.Fatalf("keys at %v", all)
	}
	tests := []struct {
		name   string
		stream func(i int) []byte
		want   []int
	}{
		{"I pictures with parameter sets", func(i int) []byte { return withoutIDR(t, withSets(c.Samples[i]), true) }, all},
		{"I pictures alone", func(i int) []byte { return withoutIDR(t, c.Samples[i].Data, false) }, all[15:]},
		{"IDR once, then with parameter sets", func(i int) []byte {
			if i == 0 {
				return c.Samples[0].Data
			}
			return withoutIDR(t, withSets(c.Samples[i]), true)
		}, append([]int{0}, all[15:]...)},
		{"IDR once, then alone", func(i int) []byte {
			if i == 0 {
				return c.Samples[0].Data
			}
			return withoutIDR(t, c.Samples[i].Data, false)
		}, all[:1]},
		{"IDR at times, others between", func(i int) []byte {
			if i%200 == 0 {
				return c.Samples[i].Data
			}
			return withoutIDR(t, withSets(c.Samples[i]), true)
		}, []int{0, 200, 400, 600}},
	}
	for _, tt := range tests {
		if got := keys(tt.stream); !slices.Equal(got, tt.want) {
			t.Errorf("%s: keys at %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, codec := range pictureCodecs {
		c := clip.Encode(t, codec.String(), clip.Options{Seconds: 1})
		v := newVideo(t, &media.EncodedFormat{Codec: codec, Config: c.Extra})
		if _, err := v.Read(c.Samples[0].Data); err != nil {
			t.Fatal(err)
		}
		before := *v
		garbage := bytes.Repeat([]byte{0xFF, 0x13}, 20)
		for _, data := range [][]byte{nil, {0xFF}, garbage, append(bytes.Clone(garbage), c.Samples[0].Data...)} {
			if p, err := v.Read(data); !errors.Is(err, media.ErrFormat) && !errors.Is(err, media.ErrLength) || p != (bitstream.Picture{}) {
				if codec != media.VP8 || err != nil { // an interframe of VP8 has no mark of its own
					t.Errorf("%s: % x: %+v, %v", codec, data[:min(8, len(data))], p, err)
				}
			}
		}
		if !bytes.Equal(before.ExtraData(), v.ExtraData()) {
			t.Errorf("%s: changed by an error", codec)
		}
		if p, err := v.Read(c.Samples[1].Data); err != nil || !p.HasPicture {
			t.Errorf("%s: after errors: %+v, %v", codec, p, err)
		}
		// A description that comes with an error does not count.
		other := clip.Encode(t, codec.String(), clip.Options{Seconds: 1, Width: 96})
		if cut := append(bytes.Clone(other.Extra), 0, 0, 1, 0xFF); len(other.Extra) > 0 {
			if _, err := v.Read(cut); err == nil {
				t.Errorf("%s: % x is taken", codec, cut)
			}
		}
		if p, err := v.Read(c.Samples[0].Data); err != nil || !p.Key || p.Changed {
			t.Errorf("%s: key after errors: %+v, %v", codec, p, err)
		}
	}
	if _, err := bitstream.NewVideo(&media.EncodedFormat{Codec: media.Opus}); !errors.Is(err, media.ErrFormat) {
		t.Errorf("Opus as video: %v", err)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	for _, codec := range pictureCodecs {
		c := clip.Encode(t, codec.String(), clip.Options{BFrames: 2})
		v := newVideo(t, &media.EncodedFormat{Codec: codec, Config: c.Extra})
		data := make([][]byte, len(c.Samples))
		for i, s := range c.Samples {
			if data[i] = s.Data; s.Sync && len(c.Extra) > 0 {
				data[i] = append(bytes.Clone(c.Extra), s.Data...)
			}
		}
		r := bitstream.NewReorder(2, 1)
		allocs := testing.AllocsPerRun(3, func() {
			for i, d := range data {
				if _, err := v.Read(d); err != nil {
					t.Fatal(err)
				}
				r.Next(int64(i))
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations for %d samples", codec, allocs, len(data))
		}
	}
}

func BenchmarkReadH264(b *testing.B) {
	c := clip.Encode(b, "h264", clip.Options{Width: 640, Height: 480})
	v := newVideo(b, &media.EncodedFormat{Codec: media.H264, Config: c.Extra})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		data := c.Samples[i%len(c.Samples)].Data
		b.SetBytes(int64(len(data)))
		if _, err := v.Read(data); err != nil {
			b.Fatal(err)
		}
	}
}
