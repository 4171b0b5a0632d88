// Command bench measures speed, memory and size of RoomKit beside FFmpeg's own
// command on this machine, and prints tables in Markdown:
//
//	go run ./bench            all of it, some minutes
//	go run ./bench --quick    ten seconds of media, two rounds
//	go run ./bench --encoders the table behind the default encoder settings
//
// Both get the same raw media as files. Ours runs in a process of its own
// through the whole library: kit, channel, session, tap, feed, recorder, file
// (see record.go). What counts is CPU time, user and system: it says what a
// recording costs, and other work on the machine blurs it least. The two take
// turns, so that what changes on the machine meanwhile meets both.
//
// The numbers never make it fail: a slow machine is no error.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options is what the command line says.
type options struct {
	film    string
	temp    string
	runs    int
	seconds int
	live    time.Duration
	profile string
	only    string
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == childCommand {
		exit(child(os.Stdin, os.Stdout))
	}
	var o options
	flag.StringVar(&o.film, "film", "", "a video file to take pictures and sound from (default: one in ../shared/media, else a synthetic picture)")
	flag.StringVar(&o.temp, "temp", os.TempDir(), "where the raw media goes, up to 3 GB; it is removed afterwards")
	flag.IntVar(&o.runs, "runs", 5, "how often each side runs")
	flag.StringVar(&o.profile, "cpuprofile", "", "a directory for CPU profiles of our side, one per case")
	flag.StringVar(&o.only, "only", "", "run only the groups whose title contains this")
	quick := flag.Bool("quick", false, "10 s of media and 2 rounds instead of 30 s and 5")
	encoders := flag.Bool("encoders", false, "print the table of encoder settings instead")
	flag.Parse()
	o.seconds, o.live = 30, 20*time.Second
	if *quick {
		o.seconds, o.runs, o.live = 10, min(o.runs, 2), 14*time.Second
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *encoders {
		exit(inScratch(ctx, o, compareEncoders))
	}
	exit(inScratch(ctx, o, compareAll))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// inScratch runs a measurement with a folder that is removed afterwards.
func inScratch(ctx context.Context, o options, run func(context.Context, options, material) error) error {
	dir, err := os.MkdirTemp(o.temp, "roomkit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := findMaterial(ctx, o, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n\nMaterial: %s; %d s, as fast as it goes.\n", machine(ctx), m.says, o.seconds)
	return run(ctx, o, m)
}
