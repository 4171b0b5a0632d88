package av

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

type planned struct {
	from, to float64 // ms; to 0 is open
	mode     recorder.PauseMode
}

func plannedPauses(t *testing.T, plan []planned) *pauses {
	t.Helper()
	p := &pauses{}
	for _, i := range plan {
		if err := p.begin(ms(i.from), i.mode); err != nil {
			t.Fatal(err)
		}
		if i.to > 0 {
			if err := p.end(ms(i.to)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return p
}

// A packet of ten frames, a millisecond each, is cut to the frame.
func TestPausesCutAudio(t *testing.T) {
	const cut, hold = recorder.PauseCut, recorder.PauseHold
	for name, c := range map[string]struct {
		plan []planned
		at   float64 // of the packet
		want []byte  // frames, 128 for silence; nil if all are dropped
		to   float64 // where they go
	}{
		"none":             {nil, 100, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 100},
		"before":           {[]planned{{110, 0, cut}}, 100, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 100},
		"within":           {[]planned{{100, 110, cut}}, 100, nil, 0},
		"open":             {[]planned{{50, 0, hold}}, 100, nil, 0},
		"behind cut":       {[]planned{{50, 100, cut}}, 100, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 50},
		"behind hold":      {[]planned{{50, 100, hold}}, 100, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 100},
		"into":             {[]planned{{107, 0, cut}}, 100, []byte{0, 1, 2, 3, 4, 5, 6}, 100},
		"into between two": {[]planned{{106.5, 0, cut}}, 100, []byte{0, 1, 2, 3, 4, 5, 6}, 100},
		"out of cut":       {[]planned{{50, 103, cut}}, 100, []byte{3, 4, 5, 6, 7, 8, 9}, 50},
		"out of hold":      {[]planned{{50, 103, hold}}, 100, []byte{3, 4, 5, 6, 7, 8, 9}, 103},
		"cut inside":       {[]planned{{102, 107, cut}}, 100, []byte{0, 1, 7, 8, 9}, 100},
		"hold inside":      {[]planned{{102, 105, hold}}, 100, []byte{0, 1, 128, 128, 128, 5, 6, 7, 8, 9}, 100},
		"both inside":      {[]planned{{101, 103, cut}, {103, 104, hold}, {107, 109, cut}}, 100, []byte{0, 128, 4, 5, 6, 9}, 100},
		"out and into":     {[]planned{{20, 30, cut}, {50, 102, cut}, {108, 0, hold}}, 100, []byte{2, 3, 4, 5, 6, 7}, 40},
		"nothing long":     {[]planned{{104, 104, cut}}, 100, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 100},
		"two later":        {[]planned{{10, 20, cut}, {30, 50, hold}, {60, 65, cut}}, 100, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 85},
		"late, before all": {[]planned{{110, 120, cut}, {130, 150, cut}}, 100, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 100},
	} {
		given := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
		s := media.Sample{Time: ms(c.at), PCM: &media.PCM{Format: media.AudioFormat{Rate: 1000, Channels: 1, Sample: media.U8}, Data: given}}
		got, ok := plannedPauses(t, c.plan).apply(s)
		switch {
		case ok != (c.want != nil):
			t.Errorf("%s: kept %v", name, ok)
		case ok && (!bytes.Equal(got.PCM.Data, c.want) || got.Time != ms(c.to)):
			t.Errorf("%s: %v at %v, want %v at %v", name, got.PCM.Data, got.Time, c.want, ms(c.to))
		}
		if !slices.Equal(given, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("%s: the caller's data are %v now", name, given)
		}
	}
}

func TestPausesLeaveOutPictures(t *testing.T) {
	p := plannedPauses(t, []planned{{100, 200, recorder.PauseCut}, {300, 400, recorder.PauseHold}})
	for at, want := range map[float64]float64{99: 99, 100: -1, 199: -1, 200: 100, 299: 199, 300: -1, 400: 300} {
		got, ok := p.apply(media.Sample{Time: ms(at), Picture: &media.Picture{}})
		if ok != (want >= 0) || ok && got.Time != ms(want) {
			t.Errorf("at %v ms: %v, %v, want %v ms", at, got.Time, ok, want)
		}
	}
}

// Pauses neither overlap nor run backwards, whatever they are told.
func TestPausesKeepTheirOrder(t *testing.T) {
	p := plannedPauses(t, []planned{{100, 50, recorder.PauseCut}, {200, 300, recorder.PauseCut}, {250, 320, recorder.PauseHold}, {400, 0, recorder.PauseCut}})
	p.seen = ms(450)
	want := []recorder.Pause{
		{Start: ms(90), Length: 0, Mode: recorder.PauseCut},
		{Start: ms(190), Length: ms(100), Mode: recorder.PauseCut},
		{Start: ms(190), Length: ms(20), Mode: recorder.PauseHold},
		{Start: ms(290), Length: ms(50), Mode: recorder.PauseCut},
	}
	if got := p.report(ms(10)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := p.report(ms(201)); !slices.Equal(got, []recorder.Pause{{Start: ms(99), Length: ms(50), Mode: recorder.PauseCut}}) {
		t.Errorf("from 201 ms on: %v", got)
	}
	if err := p.begin(time.Hour, recorder.PauseCut); err != recorder.ErrPaused {
		t.Errorf("paused twice: %v", err)
	}
}

// An encoded packet, of 20 ms from 100 ms on, is whole or not there.
func TestPausesLeaveOutPackets(t *testing.T) {
	const cut, hold = recorder.PauseCut, recorder.PauseHold
	frame := []byte{0x21, 0, 0x49, 0x90, 2, 0x19, 0, 0x23, 0x80}
	config := []byte{0x11, 0x90} // 48 kHz
	adts := append([]byte{0xFF, 0xF1, 0x4C, 0x80, 2, 0x1F, 0xFC}, frame...)
	opus := &media.EncodedFormat{Codec: media.Opus}
	for name, e := range map[string]*media.Encoded{
		"opus": {Format: opus, Data: []byte{0xF8, 0xFF, 0xFE}},
		"aac":  {Format: &media.EncodedFormat{Codec: media.AAC, Config: config}, Data: frame},
		"adts": {Format: &media.EncodedFormat{Codec: media.AAC, Packing: media.ADTS}, Data: adts},
		"pcmu": {Format: &media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 2}, Data: make([]byte, 320)},
		"g722": {Format: &media.EncodedFormat{Codec: media.G722, Channels: 1}, Data: make([]byte, 160)},
	} {
		for plan, c := range map[string]struct {
			plan []planned
			to   float64 // ms, -1 if it is left out
		}{
			"none":           {nil, 100},
			"behind":         {[]planned{{122, 0, cut}}, 100},
			"within":         {[]planned{{90, 130, cut}}, -1},
			"open":           {[]planned{{50, 0, hold}}, -1},
			"into":           {[]planned{{119, 0, cut}}, -1},
			"out of":         {[]planned{{50, 101, hold}}, -1},
			"inside":         {[]planned{{105, 106, cut}}, -1},
			"behind cut":     {[]planned{{50, 100, cut}}, 50},
			"behind hold":    {[]planned{{50, 100, hold}}, 100},
			"nothing long":   {[]planned{{104, 104, cut}}, 100},
			"nothing, into":  {[]planned{{104, 104, cut}, {110, 0, cut}}, -1},
			"cut, then into": {[]planned{{20, 40, cut}, {119, 0, hold}}, -1},
			"two before":     {[]planned{{20, 40, cut}, {60, 70, hold}, {80, 90, cut}}, 70},
		} {
			got, ok := plannedPauses(t, c.plan).apply(media.Sample{Time: ms(100), Encoded: e})
			if ok != (c.to >= 0) || ok && got.Time != ms(c.to) {
				t.Errorf("%s, %s: %v, %v, want %v ms", name, plan, got.Time, ok, c.to)
			}
		}
		p := &pauses{}
		if n := testing.AllocsPerRun(100, func() { p.apply(media.Sample{Time: ms(100), Encoded: e}) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
