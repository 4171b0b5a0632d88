//go:build race

package decode

// raceEnabled: the race detector allocates, and sync.Pool loses some then.
const raceEnabled = true
