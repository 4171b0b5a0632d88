package file

import (
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// trackOf describes a stream, without a format where it is known too little.
func trackOf(st ffmpeg.Stream, f *media.EncodedFormat) backend.Track {
	t := backend.Track{Kind: st.Kind}
	switch {
	case f != nil:
		t.Encoded = *f
	case st.Kind == media.KindAudio && st.Audio.Validate() == nil:
		t.Audio = st.Audio
	case st.Kind == media.KindVideo && st.Video.Validate() == nil:
		t.Video = st.Video
	}
	return t
}

// encodedFormat describes a stream as it is coded, nil if media has no word for
// it.
func encodedFormat(in *ffmpeg.Input, st ffmpeg.Stream) *media.EncodedFormat {
	p := in.Params(st.Index)
	defer p.Close()
	f := &media.EncodedFormat{
		Codec: codecNamed(st.Codec), Width: p.Width(), Height: p.Height(), Rate: p.Rate(), Channels: p.Channels(),
	}
	configure(f, p.ExtraData())
	if f.Validate() != nil {
		return nil
	}
	return f
}

func codecNamed(name string) media.Codec {
	for c := media.H264; c <= media.G722; c++ {
		if c.String() == name {
			return c
		}
	}
	return media.CodecUnknown
}

// configure takes over what FFmpeg calls extradata, and what that tells of the
// packing.
func configure(f *media.EncodedFormat, extra []byte) {
	f.Packing = media.PackingDefault
	switch f.Codec {
	case media.H264, media.HEVC:
		if isConfigurationRecord(f.Codec, extra) {
			f.Packing = media.LengthPrefixed
		}
	case media.AAC:
		if len(extra) == 0 { // each frame says it, with its header
			f.Packing = media.ADTS
		}
	case media.AV1, media.Opus:
	default:
		extra = nil
	}
	f.Config = extra
}

// isConfigurationRecord tells an avcC or hvcC from a byte stream, which begins
// with two or three zeros and a one. An avcC begins with its version, 1; an
// hvcC had the version 0 once, and its profile follows.
func isConfigurationRecord(c media.Codec, extra []byte) bool {
	if len(extra) < 4 {
		return false
	}
	if c == media.H264 {
		return extra[0] == 1
	}
	return extra[0] != 0 || extra[1] != 0 || extra[2] > 1
}

// changed returns the format of a stream from the packet on that brings another
// configuration. How large the pictures are now that says.
func changed(f *media.EncodedFormat, extra []byte) *media.EncodedFormat {
	g := *f
	g.Width, g.Height = 0, 0
	configure(&g, extra)
	return &g
}
