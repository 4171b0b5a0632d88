package media

import "sync/atomic"

// refs counts the references beyond the first, so that the zero value means
// "one owner" and payloads built by hand need no constructor.
type refs struct{ extra atomic.Int32 }

func (r *refs) retain() { r.extra.Add(1) }

// release reports whether the last reference is gone.
func (r *refs) release() bool { return r.extra.Add(-1) == -1 }

func (r *refs) reset() { r.extra.Store(0) }
