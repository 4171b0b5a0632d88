package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/mp4"
)

// A roomsJob says what files of a camera at 1 Mbit/s and a voice at 32 kbit/s
// the child writes at once.
type roomsJob struct {
	Dir   string
	Rooms int
	// Live is how long to write at real pace; Bytes, in its place, how much to
	// write as fast as it goes.
	Live      time.Duration
	Bytes     int64
	Sync      time.Duration // mp4.Options.SyncInterval
	FastStart int64
	Rewrite   bool // afterwards, with the index in front
}

type roomsOutcome struct {
	Beyond       float64 // seconds it took beyond Live
	LongestWrite float64 // milliseconds of one Track.Write
	ToDisk       float64 // MB, counted by the system
}

func writeRooms(ctx context.Context, j job) (outcome, error) {
	begin := time.Now()
	var all sync.WaitGroup
	longest, failed := make([]time.Duration, j.Rooms.Rooms), make([]error, j.Rooms.Rooms)
	for i := range j.Rooms.Rooms {
		all.Go(func() {
			longest[i], failed[i] = writeRoom(ctx, j.Rooms, filepath.Join(j.Rooms.Dir, fmt.Sprintf("%d.mp4", i)))
		})
	}
	all.Wait()
	r := roomsOutcome{Beyond: max(time.Since(begin)-j.Rooms.Live, 0).Seconds()}
	for _, d := range longest {
		r.LongestWrite = max(r.LongestWrite, float64(d)/float64(time.Millisecond))
	}
	written, err := toDisk()
	r.ToDisk = float64(written) / 1e6
	return outcome{Rooms: r}, errors.Join(append(failed, err)...)
}

// writeRoom writes one file. It returns how long the longest Write took.
func writeRoom(ctx context.Context, j roomsJob, path string) (longest time.Duration, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	w, err := mp4.NewWriter(file, mp4.Options{Fragment: 250 * time.Millisecond, SyncInterval: j.Sync, FastStart: j.FastStart, Direct: j.Bytes > 0})
	if err != nil {
		return 0, err
	}
	r := roomMedia{begin: time.Now(), paced: j.Live > 0}
	_, _ = rand.NewChaCha8([32]byte{}).Read(r.data[:]) // never fails
	err = r.addTracks(w)
	for n := int64(0); err == nil && (n < int64(j.Live/(time.Second/fps)) || w.Size() < j.Bytes); n++ {
		err = r.write(ctx, n)
	}
	if err = errors.Join(err, w.Close(ctx)); err != nil || !j.Rewrite {
		return r.longest, err
	}
	_, err = mp4.RepairPath(ctx, path, path+".front.mp4", mp4.RepairOptions{FastStart: true})
	return r.longest, err
}

// roomMedia makes up the media of a room. What it is does not matter to a disk.
type roomMedia struct {
	begin         time.Time
	paced         bool
	camera, voice *mp4.Track
	packets       int64 // of the voice
	longest       time.Duration
	data          [keySize]byte
}

const (
	voiceRate  = 16000
	packetTime = 1024 // ticks of a packet of AAC
	packetSize = 32000 / 8 * packetTime / voiceRate
	groupSize  = 2 * fps           // pictures from one keyframe to the next
	keySize    = 30_000            // bytes
	groupBytes = 2 * 1_000_000 / 8 // of two seconds
	otherSize  = (groupBytes - keySize) / (groupSize - 1)
)

func (r *roomMedia) addTracks(w *mp4.Writer) error {
	var failed [2]error
	r.camera, failed[0] = w.AddTrack(mp4.TrackConfig{Codec: mp4.VP8{Width: 640, Height: 480}, Timescale: 90000})
	r.voice, failed[1] = w.AddTrack(mp4.TrackConfig{Codec: mp4.AAC{Config: voiceConfig}, Timescale: voiceRate})
	return errors.Join(failed[:]...)
}

// voiceConfig is an AudioSpecificConfig: AAC-LC, 16 kHz, mono.
var voiceConfig = []byte{0x14, 0x08}

// write writes the picture of a number and the voice up to it.
func (r *roomMedia) write(ctx context.Context, n int64) error {
	if r.paced {
		time.Sleep(time.Until(r.begin.Add(time.Duration(n) * time.Second / fps)))
	}
	began := time.Now()
	size := otherSize + int(n*7919%1001) - 500 // irregular, as pictures are
	if n%groupSize == 0 {
		size = keySize
	}
	at := n * 90000 / fps
	err := r.camera.Write(ctx, mp4.Sample{DTS: at, PTS: at, Duration: 90000 / fps, Sync: n%groupSize == 0, Data: r.data[:size]})
	for ; err == nil && r.packets*packetTime*fps < n*voiceRate; r.packets++ {
		at := r.packets * packetTime
		err = r.voice.Write(ctx, mp4.Sample{DTS: at, PTS: at, Duration: packetTime, Sync: true, Data: r.data[:packetSize]})
	}
	r.longest = max(r.longest, time.Since(began))
	return err
}

// toDisk returns how many bytes this process has caused to be written to
// disks, without the file system's own. Only Linux tells; elsewhere it is 0.
func toDisk() (n int64, err error) {
	text, err := os.ReadFile("/proc/self/io")
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			_, err = fmt.Sscan(count, &n)
		}
	}
	return n, err
}
