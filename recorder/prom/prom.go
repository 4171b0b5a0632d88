// Package prom makes Prometheus metrics of what recordings report of themselves.
//
//	metrics := prom.New()
//	registry.MustRegister(metrics)
//	kit := roomkit.New(roomkit.WithObserver(metrics))
//
// Labels name implementations, kinds and reasons, never rooms or participants:
// there are as many series after a year as after a day. What is counted is told
// once a second and at the end of each recording.
package prom

import (
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// Metrics is a [recorder.Observer] and a [prometheus.Collector]. It is safe for
// concurrent use.
type Metrics struct {
	counters counters

	mu     sync.Mutex
	tracks map[key]recorder.Observation // as they were told last, of recordings that run
}

// key is one track of one recording.
type key struct{ id, track string }

var (
	_ recorder.Observer    = (*Metrics)(nil)
	_ prometheus.Collector = (*Metrics)(nil)
)

// New returns metrics that nothing has been counted in.
func New() *Metrics {
	return &Metrics{counters: newCounters(), tracks: map[key]recorder.Observation{}}
}

// Observe implements [recorder.Observer].
func (m *Metrics) Observe(o recorder.Observation) {
	m.counters.add(o)
	m.mu.Lock()
	defer m.mu.Unlock()
	k := key{o.ID, o.Track.ID}
	if o.Last {
		delete(m.tracks, k)
		return
	}
	m.tracks[k] = o
}

// counters only go up.
type counters struct {
	in, written, dropped, lost, requests, bytes, seconds *prometheus.CounterVec
}

func newCounters() counters {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "roomkit", Name: name, Help: help},
			append([]string{"recorder", "kind"}, labels...))
	}
	return counters{
		in:       counter("samples_total", "Samples that recordings were given by their sources."),
		written:  counter("samples_written_total", "Samples that are in the files of recordings."),
		dropped:  counter("samples_dropped_total", "Samples that are not in the files of recordings, by reason.", "reason"),
		lost:     counter("packets_lost_total", "Pieces of encoded media, such as network packets, that never reached their source."),
		requests: counter("keyframe_requests_total", "Requests for a keyframe to sources of encoded pictures."),
		bytes:    counter("media_bytes_total", "Encoded media in the files of recordings, by codec.", "codec"),
		seconds:  counter("write_seconds_total", "Real time spent over samples: decoding, encoding and waiting for the file."),
	}
}

func (c counters) all() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{c.in, c.written, c.dropped, c.lost, c.requests, c.bytes, c.seconds}
}

func (c counters) add(o recorder.Observation) {
	add := func(v *prometheus.CounterVec, n float64, labels ...string) {
		if n > 0 { // a file that turns out to be unusable takes samples back, which counters cannot
			v.WithLabelValues(append([]string{o.Recorder, o.Track.Kind.String()}, labels...)...).Add(n)
		}
	}
	add(c.in, float64(o.SamplesIn))
	add(c.written, float64(o.SamplesWritten))
	for reason, n := range o.Dropped {
		add(c.dropped, float64(n), string(reason))
	}
	add(c.lost, float64(o.LostOnTheWay))
	add(c.requests, float64(o.KeyframeRequests))
	add(c.bytes, float64(o.Bytes), o.Codec)
	add(c.seconds, o.WriteTime.Seconds())
}

// gauges tell what is now, over all tracks of an implementation and a kind.
type gauges struct {
	tracks, samples, bytes int64
	ppm, correction        float64 // of the track that is furthest from nominal
}

type group struct{ recorder, kind string }

func (m *Metrics) gauges() map[group]*gauges {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[group]*gauges{}
	for _, o := range m.tracks {
		at := group{o.Recorder, o.Track.Kind.String()}
		g := all[at]
		if g == nil {
			g = &gauges{}
			all[at] = g
		}
		g.tracks++
		g.samples += o.SamplesQueued
		g.bytes += o.BytesQueued
		if math.Abs(o.RatePPM) > math.Abs(g.ppm) {
			g.ppm = o.RatePPM
		}
		g.correction = max(g.correction, o.LargestCorrection.Seconds())
	}
	return all
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.counters.all() {
		c.Describe(to)
	}
	for _, d := range descriptions() {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.counters.all() {
		c.Collect(to)
	}
	d := descriptions()
	all := m.gauges()
	for _, at := range slices.SortedFunc(maps.Keys(all), func(a, b group) int {
		return slices.Compare([]string{a.recorder, a.kind}, []string{b.recorder, b.kind})
	}) {
		g := all[at]
		for i, v := range []float64{float64(g.tracks), float64(g.samples), float64(g.bytes), g.ppm, g.correction} {
			to <- prometheus.MustNewConstMetric(d[i], prometheus.GaugeValue, v, at.recorder, at.kind)
		}
	}
}

// descriptions of the gauges, in the order in which Collect gives their values.
func descriptions() []*prometheus.Desc {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("roomkit_"+name, help, []string{"recorder", "kind"}, nil)
	}
	return []*prometheus.Desc{
		describe("tracks", "Tracks of recordings that run."),
		describe("queue_samples", "Samples that wait for recorders."),
		describe("queue_bytes", "Bytes of samples that wait for recorders."),
		describe("audio_drift_ppm", "How much faster than nominal the source of an audio track runs, of the track that is furthest off."),
		describe("audio_correction_seconds", "The most that audio of a running track was away from its capture time when resampling took it back."),
	}
}
