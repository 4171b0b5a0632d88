package mp4_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/roomkit-live/roomkit-go/mp4"
)

// H.264 as a byte stream, 25 pictures per second without B-frames, becomes an
// MP4 and is read back. Each picture begins with an access unit delimiter.
func Example() {
	stream, err := os.ReadFile("testdata/annexb.h264")
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.CreateTemp("", "*.mp4")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := writePictures(context.Background(), file, pictures(stream)); err != nil {
		log.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		log.Fatal(err)
	}
	movie, err := mp4.Read(file, info.Size())
	if err != nil {
		log.Fatal(err)
	}
	for s, err := range movie.Tracks[0].Samples() {
		if err != nil {
			log.Fatal(err)
		}
		if s.Sync {
			fmt.Println("key frame at tick", s.PTS)
		}
	}
	fmt.Println(movie.Duration, movie.Finished)
	// Output:
	// key frame at tick 0
	// key frame at tick 18000
	// 400ms true
}

// pictures splits a byte stream at its access unit delimiters.
func pictures(stream []byte) (all [][]byte) {
	delimiter := []byte{0, 0, 0, 1, 9}
	for _, rest := range bytes.Split(stream, delimiter)[1:] {
		all = append(all, append(delimiter[:5:5], rest...))
	}
	return all
}

func writePictures(ctx context.Context, file *os.File, pictures [][]byte) error {
	// A key frame of a byte stream has the parameter sets, or the encoder does.
	codec, err := mp4.CodecFromExtradata("h264", pictures[0], 0, 0, 0, 0)
	if err != nil {
		return err
	}
	w, err := mp4.NewWriter(file, mp4.Options{Title: "Test pattern"})
	if err != nil {
		return err
	}
	defer w.Abort(ctx) // does nothing once the file is closed
	track, err := w.AddTrack(mp4.TrackConfig{Codec: codec, Timescale: 90000})
	if err != nil {
		return err
	}
	for n, data := range pictures {
		at := int64(n) * 3600
		err := track.Write(ctx, mp4.Sample{DTS: at, PTS: at, Duration: 3600, Sync: n%5 == 0, Data: data})
		if err != nil {
			return err
		}
	}
	return w.Close(ctx)
}
