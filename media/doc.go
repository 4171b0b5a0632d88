// Package media is the vocabulary that all of RoomKit speaks: samples and
// their payloads, formats, codecs and the clock. It imports nothing of ours.
//
// # Time
//
// Every time in RoomKit is a time.Duration on one monotonic [Clock], counted
// from that clock's own epoch. A sample carries the instant at which it was
// captured (or played) on that clock; nothing downstream re-stamps it.
//
// # Who owns a buffer
//
// Payloads ([PCM], [Picture], [Encoded]) are reference counted so that one capture
// buffer can go to several recorders without being copied. Whoever creates or
// gets a payload holds one reference. A function's comment says whether it
// borrows the payload for the length of the call (the usual case) or takes
// the caller's reference over. To keep a borrowed payload call Retain, and
// Release when done. A payload is read-only as soon as it has been handed on.
package media
