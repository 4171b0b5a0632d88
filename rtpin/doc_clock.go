// # Capture times
//
// A [Participant] and its [TrackClock]s turn RTP timestamps into capture times
// on the kit's clock. Three clocks are involved, none of which runs like
// another: the ticks of a stream (x, in seconds at the declared rate), the
// sender's NTP clock (s), and the kit's (arrival times, and what is returned).
//
//	packets ──► envelope   least arrival time of x, a line      ┐
//	            (40 s)                                          ├─► target ──► path ──► capture time
//	reports ──► regression s of x, a line                       │   of x       (slewed)
//	            (32 reports)     └─► lag behind the fastest ────┘
//	                                 track of the participant
//
// The envelope is the arrival time of a packet with the least delay. How long
// that least delay is cannot be known from one direction: a constant added to
// the delay looks like the same constant taken from the sender's clock. So a
// capture time is late by the participant's least one-way delay, and two
// participants are off against each other by the difference of theirs, some
// tens of milliseconds at most between places, and none where it is the same.
//
// Within a participant it can be known. Reports put its tracks on one clock,
// where the least delays of tracks are compared. The fastest gives the delay of
// the way, and what another takes beyond that (its lag: 20 to 40 ms of video
// encoding, packets of 60 ms of audio) is taken off. With T the arrival line, s
// the report line and θ = T − s of each track,
//
//	target = T − (θ − least θ) = s + least θ
//
// Before the first reports, and where there are none, the lag is zero: arrival
// times by their envelope. Where reports cease it stays as it was.
//
// The method is that of RFC 3550 (sections 6.4.1 and A.8) for the relation of
// clocks; the lowest envelope for clock skew is that of Moon, Skelly and
// Towsley, "Estimation and Removal of Clock Skew from Network Delay
// Measurements" (INFOCOM 1999), with the slope by the median of Theil and Sen,
// which bears a change of route, instead of their linear program.
package rtpin
