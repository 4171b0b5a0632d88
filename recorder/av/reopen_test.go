package av

import (
	"errors"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A track that is about to go on when its recording is stopped does not: its
// samples would wait for a muxer that has ended.
func TestReopenLosesAgainstStop(t *testing.T) {
	rec, err := NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	started, err := rec.Start(t.Context(), recorder.Config{Storage: t.TempDir(), VideoCodec: "libx264"})
	if err != nil {
		t.Fatal(err)
	}
	r := started.(*Recording)
	track := recorder.Track{ID: "a", Kind: media.KindAudio, Audio: media.AudioFormat{Rate: 16000, Channels: 1, Sample: media.S16}}
	w, err := r.AddTrack(track)
	if err != nil {
		t.Fatal(err)
	}
	voice := media.Sample{Time: time.Second, PCM: &media.PCM{Format: track.Audio, Data: make([]byte, 32000)}}
	if err := errors.Join(w.WriteSample(voice), w.Close()); err != nil {
		t.Fatal(err)
	}
	l, known, err := r.addLane(track) // the first half of AddTrack
	if err != nil || !known {
		t.Fatal(known, err)
	}
	if _, err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.reopen(track); !errors.Is(err, recorder.ErrStopped) {
		t.Errorf("reopened: %v", err)
	}
	if err := l.WriteSample(voice); !errors.Is(err, recorder.ErrTrackEnded) && !errors.Is(err, recorder.ErrStopped) {
		t.Errorf("a sample is taken after all: %v", err)
	}
}

// A file with fixed streams counts the packets of one that it was begun
// without as too late. They are in no other stream's place.
func TestFileBegunWithoutAStream(t *testing.T) {
	s := &stream{ledger: newLedger(recorder.Track{ID: "a"})}
	s.ledger.offered()
	s.ledger.accept(5)
	f := &libavFile{indexes: map[*stream]int{{}: 0}}
	if err := f.write(&packet{stream: s, mark: 5, data: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	if r := s.ledger.report(0); r.Dropped[recorder.DropLate] != 1 || r.SamplesWritten != 0 || f.written != 0 {
		t.Errorf("%+v", r)
	}
}
