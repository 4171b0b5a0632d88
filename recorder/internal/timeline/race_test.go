//go:build race

package timeline

import "testing"

// Calculates skips a test under the race detector: it runs long calculations
// on one goroutine, which take ten times as long there.
func Calculates(t *testing.T) {
	t.Helper()
	t.Skip("a calculation, not for the race detector")
}
