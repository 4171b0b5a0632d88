package av

import (
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

func newTestGate(policy recorder.StartPolicy, lanes int) *gate {
	g := newGate(policy)
	for range lanes {
		g.expect()
	}
	return g
}

func wantOrigin(t *testing.T, g *gate, want time.Duration) {
	t.Helper()
	if got := g.zero + g.settle(); got != want {
		t.Fatalf("origin is %v, want %v", got, want)
	}
}

func TestGateWaitsForAll(t *testing.T) {
	g := newTestGate(recorder.StartWhenAll, 2)
	g.delivered(time.Second)
	g.delivered(2500 * time.Millisecond)
	wantOrigin(t, g, 2500*time.Millisecond)
}

func TestGateTakesTheLatestFirstSample(t *testing.T) {
	g := newTestGate(recorder.StartWhenAll, 2)
	zero := g.delivered(2 * time.Second)
	if again := g.delivered(1 * time.Second); again != zero || again > time.Second {
		t.Errorf("lanes count from %v and %v", zero, again)
	}
	wantOrigin(t, g, 2*time.Second)
}

func TestGateStartsWithoutTheSilent(t *testing.T) {
	g := newTestGate(recorder.StartWhenAll, 3)
	g.delivered(10 * time.Second)
	g.delivered(11 * time.Second)
	wantOrigin(t, g, 11*time.Second)
	g.delivered(20 * time.Second) // the third one, late
	wantOrigin(t, g, 11*time.Second)
}

func TestGateIsNotMovedByWhoComesLater(t *testing.T) {
	g := newTestGate(recorder.StartWhenAll, 1)
	g.delivered(time.Second)
	g.expect()
	g.delivered(2 * time.Second)
	wantOrigin(t, g, time.Second)
}

func TestGateStartsWhenTheMissingLeave(t *testing.T) {
	g := newTestGate(recorder.StartWhenAll, 2)
	g.delivered(time.Second)
	g.forget()
	g.expect()
	g.delivered(5 * time.Second)
	wantOrigin(t, g, time.Second)
}

func TestGateImmediateTrimsNothing(t *testing.T) {
	g := newTestGate(recorder.StartImmediate, 2)
	g.delivered(5 * time.Second)
	g.delivered(4 * time.Second) // captured earlier, delivered later
	wantOrigin(t, g, 4*time.Second)
}

func TestGateWithoutMedia(t *testing.T) {
	g := newTestGate(recorder.StartWhenAll, 1)
	g.settle()
	g.forget()
	if g.settled {
		t.Error("settled without any media")
	}
}
