//go:build race

package av

import "testing"

// Calculates skips a test under the race detector: it runs long calculations
// on few goroutines, which all take ten times as long there; others have the
// same code run beside each other.
func Calculates(t *testing.T) {
	t.Helper()
	t.Skip("a calculation, not for the race detector")
}
