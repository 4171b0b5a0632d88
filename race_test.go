//go:build race

package roomkit_test

const raceEnabled = true
