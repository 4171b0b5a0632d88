// Package timeline finds out where on a recording's timeline audio belongs, to
// the sample, from capture times that jitter, from clocks that drift, and from
// sources that pause, burst and repeat themselves:
//
//	PCM      ─► Audio ─► frames without a hole, resampled where clocks drift
//	packets  ─► Coded ─► places without a hole, bits unchanged
//
// Both count from zero, an instant on the capture clock that their user chooses
// so that it certainly lies before the first sample. Both judge stamps in the
// same way: a [sourceClock] learns how fast the source really runs, and what is
// not where it was expected is held back until the stamps behind it tell
// jitter, a gap, a repeat and a clock that was set apart (placement.go).
package timeline
