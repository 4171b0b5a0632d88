// Package rtp records streams that arrive over RTP and are described by an
// SDP: what FFmpeg, GStreamer and SIP gateways send.
//
// # How it receives
//
// Connect opens a pair of UDP ports for each stream of the description, RTP and
// RTCP, and announces a track for it. The first sender of valid packets becomes
// the stream's source; whoever else sends there is ignored, until the source
// has been silent for two seconds or has said goodbye. Samples are encoded, as
// they were sent, and carry the time of their capture as sender reports tell
// it. The source gets receiver reports, and is asked for keyframes and, if the
// description offers that, for packets that are missing.
//
// Specifications: RFC 8866 (SDP), 3550 and 3551 (RTP, RTCP), 4585 and 5104
// (feedback), 4568 (keys in SDP), 3711 and 7714 (SRTP), 5761 (RTP and RTCP on
// one port), 3605 (a=rtcp), 4796 (a=content).
package rtp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/running"
	"github.com/roomkit-live/roomkit-go/rtpin"
)

// ErrPortInUse: a port of the description belongs to another program, or to
// another session.
var ErrPortInUse = errors.New("rtp: port is in use")

// Options say when a session ends by itself. With the zero value it does when
// all senders have said goodbye (RTCP BYE).
type Options struct {
	// IdleTimeout ends the session when no stream has had a packet for so
	// long, from Connect on. 0: never.
	IdleTimeout time.Duration
	// IgnoreBye lets the session go on when all senders have left, for those
	// that come back.
	IgnoreBye bool
	// Settle is for how long what a sender begins with is held back, to be
	// stamped by a clock that has seen that much of it. FFmpeg, which begins
	// late and hurries then, does so for half a second. 0: a second; negative:
	// not at all.
	Settle time.Duration
}

const defaultSettle = time.Second

// Backend receives the streams of one description. Several sessions at once
// can have different kinds of its media, but not the same: each stream's ports
// can be opened once. It is safe for concurrent use.
type Backend struct {
	name        string
	description *description
	opt         Options
}

var _ backend.Backend = (*Backend)(nil)

// New returns a backend for an SDP. The name is for logs and errors. Errors
// wrap [ErrDescription].
func New(name string, sdp []byte, o Options) (*Backend, error) {
	if o.IdleTimeout < 0 {
		return nil, fmt.Errorf("rtp: IdleTimeout is %v (allowed: 0 or more)", o.IdleTimeout)
	}
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	d, err := parse(sdp)
	if err != nil {
		return nil, err
	}
	return &Backend{name, d, o}, nil
}

// Open is [New] for an SDP in a file. The error wraps [backend.ErrNotFound] if
// there is none.
func Open(path string, o Options) (*Backend, error) {
	sdp, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("rtp %s: %w", path, backend.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("rtp: %w", err)
	}
	b, err := New(path, sdp, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// Name implements [backend.Backend].
func (b *Backend) Name() string { return "rtp " + b.name }

// Connect implements [backend.Backend]. It announces a track for each stream
// whose kind is wanted, before its first packet, so that a recording which
// waits for all its tracks waits for these. The error wraps [ErrPortInUse] if
// a port is, and [backend.ErrNoMedia] if no stream is wanted.
//
// Receiving needs a real clock: on a virtual one no time passes while packets
// are under way.
func (b *Backend) Connect(ctx context.Context, s backend.Session, sink backend.Sink) (backend.Conn, error) {
	if s.Clock == nil {
		return nil, errors.New("rtp: session has no clock")
	}
	conn := running.New(ctx, sink)
	r := newReceiving(s.Clock, b.opt, s.Log.With("rtp", b.name))
	err := b.open(r, s, sink)
	if err != nil {
		r.close()
		conn.Close()
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return conn.Start(ctx, r.goroutines()...)
}

// open opens the ports of what is wanted and announces the tracks.
func (b *Backend) open(r *receiving, s backend.Session, sink backend.Sink) error {
	participant, cname := rtpin.NewParticipant(), rand.Text()
	for _, sec := range b.description.sections {
		if s.Wants != nil && !s.Wants(sec.kind) {
			continue
		}
		t, err := listen(sec)
		if err != nil {
			return err
		}
		st, err := newStream(sec, t, participant, cname, b.opt.Settle, r.log)
		if err != nil {
			t.close()
			return err
		}
		track := backend.Track{Kind: sec.kind, Encoded: sec.format()}
		if sec.kind.IsPicture() {
			track.RequestKeyFrame = r.keyRequest(st)
		}
		st.track, err = running.Wanted(s, sink, track)
		if st.track == nil {
			t.close()
			if err != nil {
				return err
			}
			continue
		}
		r.streams = append(r.streams, st)
	}
	if len(r.streams) == 0 {
		return backend.ErrNoMedia
	}
	return nil
}
