package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// roomsTitle names a group that runs only when --only asks for it: it goes at
// real pace and takes the whole machine.
const roomsTitle = "Rooms"

// compareRooms prints what a room costs that records what arrives encoded, and
// how many of them a machine holds.
func compareRooms(ctx context.Context, o options, m material) error {
	camera, voice, err := m.call(ctx)
	if err != nil {
		return err
	}
	r := &roomsContest{dir: filepath.Join(m.dir, "calls"), material: m,
		job: callsJob{Live: min(o.live, 20*time.Second), Camera: camera, Voice: voice}}
	fmt.Printf("\n### %s: two cameras of 1280x720 H.264 at 1 Mbit/s and two voices of Opus each, %v at real pace in one process\n\n", roomsTitle, r.job.Live)
	fmt.Println("| rooms | core per room | of it user + system | MiB per room | late pushes | latest, ms | lost | failed | s to finish all files | core of the rest of the machine |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	holds, fails := 0, 0
	for _, n := range []int{1, 50, 200} {
		well, err := r.run(ctx, fmt.Sprint(n), callsJob{Rooms: n})
		if err != nil {
			return err
		}
		if well && fails == 0 {
			holds = n
		} else if fails == 0 {
			fails = n
		}
	}
	if _, err := r.run(ctx, "200, synced at the end only", callsJob{Rooms: 200, Sync: -1}); err != nil {
		return err
	}
	if _, err := r.run(ctx, "200, recorded by nobody", callsJob{Rooms: 200, Nowhere: true}); err != nil {
		return err
	}
	return r.search(ctx, holds, fails)
}

// call makes ten seconds of a camera and of a voice, as a browser sends them.
func (m material) call(ctx context.Context) (camera, voice string, err error) {
	camera, voice = filepath.Join(m.dir, "camera.h264"), filepath.Join(m.dir, "voice.ogg")
	picture, sound := m.source(picture{1280, 720, "yuv420p"})
	if _, err := ffmpegRun(ctx, append(picture, "-t", "10", "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency",
		"-profile:v", "baseline", "-x264-params", "sliced-threads=0", "-g", fmt.Sprint(2*fps), "-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M",
		"-an", "-f", "h264", camera)...); err != nil {
		return "", "", err
	}
	_, err = ffmpegRun(ctx, append(sound, "-t", "10", "-c:a", "libopus", "-b:a", "32k", "-ac", "2", "-vn", voice)...)
	return camera, voice, err
}

// source are FFmpeg's arguments for endless pictures of a size and for sound.
func (m material) source(p picture) (pictures, sound []string) {
	if m.film == "" {
		return []string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=%s:r=%d,noise=alls=8:allf=t", p.size(), fps), "-pix_fmt", p.pixel},
			[]string{"-f", "lavfi", "-i", "sine=440:r=48000"}
	}
	in := []string{"-stream_loop", "-1", "-i", m.film}
	return append(in[:len(in):len(in)], "-map", "0:v:0", "-vf", p.fit(), "-r", fmt.Sprint(fps), "-pix_fmt", p.pixel),
		append(in[:len(in):len(in)], "-map", "0:a:0")
}

// roomsContest runs rooms and prints a row for each run.
type roomsContest struct {
	dir      string
	material material
	job      callsJob
}

// A machine is full where samples are lost, where its sources, which do next to
// nothing, are so late, or where files take so long to be finished: then
// samples would be lost in a longer run.
const (
	fullLate   = time.Second
	fullBeyond = 5 * time.Second
)

// run records in a process of its own. It reports whether all went well.
func (r *roomsContest) run(ctx context.Context, what string, j callsJob) (well bool, err error) {
	j.Live, j.Camera, j.Voice, j.Dir = r.job.Live, r.job.Camera, r.job.Voice, r.dir
	defer os.RemoveAll(r.dir)
	const perRoom = 300_000 // bytes a second
	if err := r.material.haveRoom(int64(j.Rooms) * perRoom * int64((j.Live+2*spread)/time.Second)); err != nil {
		return false, err
	}
	out, _, err := record(ctx, job{Calls: j})
	if err != nil {
		return false, err
	}
	c := out.Calls
	rooms, live := float64(j.Rooms), j.Live.Seconds()
	fmt.Printf("| %s | %.4f | %.4f + %.4f | %.2f | %d of %d | %.0f | %d | %d | %.1f | %.2f |\n", what, (c.User+c.System)/live/rooms, c.User/live/rooms, c.System/live/rooms,
		(c.PeakMiB-c.BaseMiB)/rooms, c.Late, c.Pushes, c.LatestMillis, out.lost(), c.Failed, c.Beyond, max(c.Machine-c.User-c.System, 0)/live)
	return out.lost() == 0 && c.Failed == 0 && c.LatestMillis < float64(fullLate.Milliseconds()) && c.Beyond < fullBeyond.Seconds(), nil
}

// search finds how many rooms the machine holds, to a sixteenth. fails is 0 where
// no number is known yet that it does not hold.
func (r *roomsContest) search(ctx context.Context, holds, fails int) error {
	for fails == 0 || fails-holds > max(holds/16, 1) {
		n := 2 * holds
		if fails > 0 {
			n = (holds + fails) / 2
		}
		well, err := r.run(ctx, fmt.Sprint(n), callsJob{Rooms: n})
		if err != nil {
			return err
		}
		if well {
			holds = n
		} else {
			fails = n
		}
	}
	fmt.Printf("\nThis machine holds %d rooms: with %d samples are lost, or come more than %v late, or files take more than %v to finish.\n",
		holds, fails, fullLate, fullBeyond)
	return nil
}
