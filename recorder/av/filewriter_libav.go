package av

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/recorder/internal/outfile"
)

// libavFile is a file of a format that libavformat writes. Its streams are
// fixed when it begins.
type libavFile struct {
	muxer   *ffmpeg.Muxer
	path    string
	indexes map[*stream]int
	written int64
}

func newLibavFile(f *outputFile, format string, metadata map[string]string) (*libavFile, error) {
	if err := f.close(); err != nil { // libavformat opens files itself
		return nil, err
	}
	// These formats are readable as far as they are written, so nothing is to
	// be kept in memory for long: neither for a track that is silent, nor in
	// the file's buffer, nor in Matroska's clusters.
	options := map[string]string{"max_interleave_delta": "1000000", "flush_packets": "1"} // µs
	if format != "mpegts" {
		options["cluster_time_limit"] = "1000" // ms
	}
	muxer, err := ffmpeg.CreateMuxer(f.partial, format, metadata, options)
	if err != nil {
		return nil, err
	}
	return &libavFile{muxer: muxer, path: f.partial, indexes: map[*stream]int{}}, nil
}

func (f *libavFile) begin(streams []*stream) error {
	enabled := defaults(streams)
	for _, s := range streams {
		index, err := f.muxer.AddStream(s.form.params, ffmpeg.StreamOptions{
			Name: s.name, Language: s.language, Default: enabled[s],
		})
		if err != nil {
			return err
		}
		f.indexes[s] = index
	}
	return f.muxer.WriteHeader()
}

// defaults returns what players show and play by default: of voices and of
// pictures the first that has media by now, or else the first.
func defaults(streams []*stream) map[*stream]bool {
	var chosen [2]*stream // pictures, voices
	for _, s := range streams {
		c := &chosen[0]
		if s.audio {
			c = &chosen[1]
		}
		if *c == nil || s.media && !(*c).media {
			*c = s
		}
	}
	return map[*stream]bool{chosen[0]: true, chosen[1]: true}
}

func (f *libavFile) write(p *packet) error {
	index, ok := f.indexes[p.stream]
	if !ok { // who it is from had left when the file began, and came back
		p.stream.ledger.miss(p.mark)
		return nil
	}
	size := len(p.data)
	native, err := p.native()
	if err != nil {
		return err
	}
	if err := f.muxer.Write(index, native); err != nil {
		return err
	}
	f.written += int64(size)
	p.stream.ledger.confirm(p.mark, size)
	return nil
}

func (f *libavFile) tick() error { return nil }

// finish implements fileWriter. Of a file that failed nobody knows how much of
// it was still in libavformat's queue.
func (f *libavFile) finish(failed error) (usable bool, err error) {
	if failed != nil {
		f.muxer.Close()
		return false, failed
	}
	if err := f.muxer.Finish(); err != nil {
		return false, fmt.Errorf("av: file cannot be finished: %w", err)
	}
	if err := outfile.Sync(f.path); err != nil {
		return false, fmt.Errorf("av: file cannot be made durable: %w", err)
	}
	return true, nil
}

func (f *libavFile) abandon() { f.muxer.Close() }

func (f *libavFile) size() int64 { return f.written }
