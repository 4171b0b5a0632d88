package file

import (
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// decoding is a coder that decodes.
type decoding struct {
	stream ffmpeg.Stream
	dec    *ffmpeg.Decoder
	start  time.Duration // the file's, in its own times
	last   time.Duration // time of the last sample
	end    time.Duration // and when it ends

	pictures media.PicturePool
	pcm      media.PCMPool
}

// defaultInterval stands for the unknown time between two pictures.
const defaultInterval = 40 * time.Millisecond

// interval returns the time between two pictures of a stream.
func interval(st ffmpeg.Stream) time.Duration {
	if r := st.Video.Rate; r > 0 {
		return time.Duration(float64(time.Second) / r)
	}
	return defaultInterval
}

func newDecoding(in *ffmpeg.Input, st ffmpeg.Stream) (*decoding, error) {
	dec, err := in.NewDecoder(st.Index, ffmpeg.DecoderOptions{})
	if err != nil {
		return nil, err
	}
	return &decoding{stream: st, dec: dec, start: startOf(in)}, nil
}

// startOf returns the file's own time of its beginning.
func startOf(in *ffmpeg.Input) time.Duration {
	if start := in.StartTime(); start != ffmpeg.NoPTS {
		return start
	}
	return 0
}

func (d *decoding) send(p *ffmpeg.Packet) error {
	err := d.dec.Send(p)
	if err != ffmpeg.ErrAgain {
		p.Free()
	}
	return err
}

func (d *decoding) receive() (u unit, err error) {
	pts := ffmpeg.NoPTS
	if d.stream.Kind == media.KindAudio {
		u.PCM, pts, err = d.dec.ReceivePCM(&d.pcm)
	} else {
		u.Picture, pts, err = d.dec.ReceivePicture(&d.pictures)
	}
	if err != nil {
		return unit{}, err
	}
	d.stamp(&u, pts)
	return u, nil
}

// stamp sets the sample's time, counted from the file's start. What has no
// time, or one before its predecessor's, follows on that.
func (d *decoding) stamp(u *unit, pts time.Duration) {
	u.Time = d.end
	if pts != ffmpeg.NoPTS {
		u.Time = max(pts-d.start, d.last)
	}
	if u.PCM != nil {
		u.lasts = u.PCM.Duration()
	} else {
		u.Picture.Format.Rate = d.stream.Video.Rate
		u.lasts = interval(d.stream)
	}
	u.due, d.last, d.end = u.Time, u.Time, u.Time+u.lasts
}

func (d *decoding) close() { d.dec.Close() }
