package ffmpeg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// fenced returns a picture each plane of which ends where memory does: who
// reads one byte more than there is crashes, and so does who reads anything
// once gone has been called. Its rows are padded.
func fenced(t testing.TB, f media.VideoFormat, padding int) (p *media.Picture, gone func()) {
	t.Helper()
	p = media.NewPicture(f)
	var mappings [][]byte
	gone = func() {
		for _, m := range mappings {
			_ = syscall.Munmap(m)
		}
		mappings = nil
	}
	t.Cleanup(gone)
	for i, plane := range p.Planes {
		if plane.Stride == 0 {
			continue
		}
		rows := len(plane.Data) / plane.Stride
		size := (plane.Stride+padding)*rows - padding // none behind the last row
		page := os.Getpagesize()
		room := (size + page - 1) / page * page
		all := must(syscall.Mmap(-1, 0, room+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE))(t)
		mappings = append(mappings, all)
		if err := syscall.Mprotect(all[room:], syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
		p.Planes[i] = media.Plane{Data: all[room-size : room : room], Stride: plane.Stride + padding}
	}
	return p, gone
}

// draw fills a picture with something that differs from number to number.
func draw(p *media.Picture, number int) {
	for i, plane := range p.Planes {
		for j := range plane.Data {
			plane.Data[j] = byte(j%plane.Stride*3 + j/plane.Stride*(5+i) + 11*number)
		}
	}
}

// An encoder makes the same of a picture in the caller's memory as of a copy,
// reads nothing beyond it, and has no more use for it after the call.
func TestEncodePictureIsEncodeOfACopy(t *testing.T) {
	for _, codec := range []string{"libx264", "libx265"} {
		for _, size := range [][2]int{{96, 64}, {98, 66}, {854, 48}, {18, 16}} {
			for _, padding := range []int{0, 7, 64} {
				w, h := size[0], size[1]
				if codec == "libx265" && w < 96 {
					continue // too small for it
				}
				t.Run(fmt.Sprintf("%s/%dx%d/%d", codec, w, h, padding), func(t *testing.T) {
					testEncodePicture(t, codec, w, h, padding)
				})
			}
		}
	}
}

func testEncodePicture(t *testing.T, codec string, w, h, padding int) {
	noLeak(t)
	cfg := x264(w, h)
	if cfg.Codec = codec; codec != "libx264" {
		cfg.Options = map[string]string{"preset": "ultrafast", "tune": "zerolatency"}
	}
	var encoders [2]*VideoEncoder
	var streams [2]bytes.Buffer
	for i := range encoders {
		encoders[i] = must(NewVideoEncoder(cfg))(t)
		defer encoders[i].Close()
	}
	emitTo := func(b *bytes.Buffer) func(*Packet) error {
		return func(p *Packet) error { b.Write(p.Data()); p.Free(); return nil }
	}
	c, frame := NewConverter(), must(NewVideoFrame(w, h, media.BT601))(t)
	defer c.Close()
	defer frame.Close()
	pic, _ := fenced(t, media.VideoFormat{Width: w, Height: h}, padding)
	for i := range 12 {
		draw(pic, i)
		err := errors.Join(
			c.Convert(frame, pic),
			encoders[0].Encode(frame, int64(i)*3000, i == 5, emitTo(&streams[0])),
			encoders[1].EncodePicture(pic, int64(i)*3000, i == 5, emitTo(&streams[1])))
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range encoders {
		if err := e.Flush(emitTo(&streams[i])); err != nil {
			t.Fatal(err)
		}
	}
	if streams[0].Len() < 100 || !bytes.Equal(streams[0].Bytes(), streams[1].Bytes()) {
		t.Errorf("streams of %d and %d bytes differ", streams[0].Len(), streams[1].Len())
	}
}

func TestEncoderTakesOnlyItsOwnFormat(t *testing.T) {
	noLeak(t)
	e := must(NewVideoEncoder(x264(96, 64)))(t)
	defer e.Close()
	for i, c := range []struct {
		format media.VideoFormat
		want   bool
	}{
		{media.VideoFormat{Width: 96, Height: 64}, true},
		{media.VideoFormat{Width: 96, Height: 64, Color: media.BT601, Rate: 12}, true},
		{media.VideoFormat{Width: 96, Height: 64, Color: media.BT709}, false},
		{media.VideoFormat{Width: 96, Height: 64, Color: media.BT601FullRange}, false},
		{media.VideoFormat{Width: 95, Height: 64}, false},
		{media.VideoFormat{Width: 96, Height: 66}, false},
		{media.VideoFormat{Width: 96, Height: 64, Pixel: media.NV12}, false},
		{media.VideoFormat{Width: 96, Height: 64, Pixel: media.RGB24}, false},
	} {
		p := media.NewPicture(c.format)
		if got := e.Takes(p); got != c.want {
			t.Errorf("%v: taken %v", c.format, got)
		}
		err := e.EncodePicture(p, int64(i), true, func(p *Packet) error { p.Free(); return nil })
		if c.want != (err == nil) || !c.want && !errors.Is(err, media.ErrFormat) {
			t.Errorf("%v: %v", c.format, err)
		}
	}
	short := media.NewPicture(media.VideoFormat{Width: 96, Height: 64})
	short.Planes[2].Data = short.Planes[2].Data[1:]
	if err := e.EncodePicture(short, 0, true, nil); !errors.Is(err, media.ErrLength) {
		t.Errorf("short plane: %v", err)
	}
	huge := media.NewPicture(media.VideoFormat{Width: 96, Height: 64})
	huge.Planes[0].Stride = 1 << 32
	if e.Takes(huge) {
		t.Error("a stride that C cannot count was taken")
	}
}

// An encoder that look-ahead makes hold many pictures holds copies of its own.
func TestEncodePictureWithLookahead(t *testing.T) {
	noLeak(t)
	cfg := x264(96, 64)
	cfg.Threads, cfg.MaxBFrames = 2, 2
	cfg.Options = map[string]string{"preset": "fast"}
	e := must(NewVideoEncoder(cfg))(t)
	defer e.Close()
	packets := 0
	emit := func(p *Packet) error { packets++; p.Free(); return nil }
	for i := range 60 {
		pic, gone := fenced(t, media.VideoFormat{Width: 96, Height: 64}, 0)
		draw(pic, i)
		err := e.EncodePicture(pic, int64(i)*3000, false, emit)
		gone()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Flush(emit); err != nil || packets != 60 {
		t.Errorf("%d packets, %v", packets, err)
	}
}
