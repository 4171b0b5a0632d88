package voice_test

import (
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
	"github.com/roomkit-live/roomkit-go/voice"
)

// Delay holds back a number of samples, at least one.
func Delay(n int) voice.Stage {
	return func(pipeline.Stream) pipeline.Processor { return &delay{n: n} }
}

type delay struct {
	n    int
	kept []media.Sample
}

func (d *delay) Process(s media.Sample, emit func(media.Sample)) error {
	s.Retain() // it is borrowed, and shall be kept
	d.kept = append(d.kept, s)
	for len(d.kept) > d.n {
		d.give(emit)
	}
	return nil
}

// give hands on the eldest, and its reference with it.
func (d *delay) give(emit func(media.Sample)) {
	s := d.kept[0]
	d.kept = d.kept[1:]
	emit(s)
}

// Flush makes it a pipeline.Flusher: the stream ends, or pauses.
func (d *delay) Flush(emit func(media.Sample)) error {
	for len(d.kept) > 0 {
		d.give(emit)
	}
	return nil
}

// A stage of one's own keeps to the contract of [pipeline.Processor].
func Example_stage() {
	chain := voice.NewPipeline(Delay(2)).NewChain(pipeline.Stream{}, nil)
	defer chain.Close()
	emit := func(s media.Sample) {
		fmt.Print(s.Time, " ")
		s.Release()
	}
	for i := range 4 {
		pcm := &media.PCM{Format: media.AudioFormat{Rate: 8000, Channels: 1}, Data: make([]byte, 320)}
		chain.Process(media.Sample{Time: time.Duration(i) * 20 * time.Millisecond, PCM: pcm}, emit)
	}
	fmt.Print("| ")
	chain.Flush(emit)
	// Output: 0s 20ms | 40ms 60ms
}

// A detector says when somebody really began to speak, not when that was clear.
func ExampleSpeech() {
	stage := voice.Speech(voice.SpeechOptions{}, func(e voice.SpeechEvent) { fmt.Println(e.Speaking, e.Time) })
	chain := voice.NewPipeline(stage).NewChain(pipeline.Stream{}, nil)
	defer chain.Close()
	for i := range 100 { // two seconds, of which half a second is loud
		pcm := &media.PCM{Format: media.AudioFormat{Rate: 8000, Channels: 1}, Data: make([]byte, 320)}
		if i >= 25 && i < 50 {
			for k := range pcm.Data {
				pcm.Data[k] = 0x20 // 8224 of 32768: -12 dBFS
			}
		}
		chain.Process(media.Sample{Time: time.Duration(i) * 20 * time.Millisecond, PCM: pcm}, func(s media.Sample) { s.Release() })
	}
	// Output:
	// true 500ms
	// false 1s
}
