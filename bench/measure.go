package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
)

// usage is what a process cost.
type usage struct {
	cpu float64 // seconds, user and system
	mib float64 // peak of resident memory
}

// measure runs a command and returns what it cost. Linux counts into the peak
// of a child what its parent had resident when it was started: this program
// has to stay below what it measures, and reads no large file.
func measure(cmd *exec.Cmd) (usage, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := explain(cmd.Run(), &said); err != nil {
		return usage{}, err
	}
	r := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{
		cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
		mib: float64(r.Maxrss) * maxrssUnit() / (1 << 20),
	}, nil
}

// maxrssUnit is in how many bytes the system counts resident memory.
func maxrssUnit() float64 {
	if runtime.GOOS == "darwin" {
		return 1
	}
	return 1024 // Linux and the BSDs
}

// series is one number measured several times.
type series []float64

func (s series) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// spread is the distance of the extremes as a part of the median: the noise.
func (s series) spread() float64 {
	if s.median() == 0 {
		return 0
	}
	return (slices.Max(s) - slices.Min(s)) / s.median()
}

// show prints the median and the extremes.
func (s series) show(format string) string {
	if len(s) == 0 {
		return ""
	}
	f := func(v float64) string { return fmt.Sprintf(format, v) }
	return fmt.Sprintf("%s (%s–%s)", f(s.median()), f(slices.Min(s)), f(slices.Max(s)))
}

// percentile returns the smallest value that at least p of all do not exceed.
func (s series) percentile(p float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	i := int(p*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// less returns the series without what the same rounds of another one are.
func (s series) less(other series) series {
	out := make(series, len(s))
	for i := range s {
		out[i] = s[i] - other[i]
	}
	return out
}

// plus returns the series with what the same rounds of another one are.
func (s series) plus(other series) series {
	out := make(series, len(s))
	for i := range s {
		out[i] = s[i] + other[i]
	}
	return out
}
