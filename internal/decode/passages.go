package decode

import "time"

// maxHeld is more pictures than any decoder holds back: 16 of H.264 and HEVC,
// and what is on its way.
const maxHeld = 32

// passages are the samples that the decoder has and that have given no picture
// yet.
type passages struct {
	list  []passage // in the order of decoding
	extra int       // see carry
}

type passage struct {
	time    time.Duration
	samples int
	why     error // if nothing comes of it
}

// carry counts samples that are decoded and not shown, such as alternate
// reference frames: they are part of what comes next.
func (p *passages) carry(samples int) { p.extra += samples }

// carried takes back what is carried.
func (p *passages) carried() int {
	n := p.extra
	p.extra = 0
	return n
}

// enter notes an access unit that the decoder is given.
func (p *passages) enter(one passage) {
	one.samples += p.carried()
	p.list = append(p.list, one)
}

// withdraw takes back the latest access unit, if it is that of the given time
// and has given no picture, and says of how many samples it was.
func (p *passages) withdraw(at time.Duration) int {
	n := len(p.list)
	if n == 0 || p.list[n-1].time != at {
		return p.carried()
	}
	samples := p.list[n-1].samples
	p.list = p.list[:n-1]
	return samples
}

// arrive says of how many samples a picture is. Pictures come out in the order
// they are shown: of those that were to be shown before, none will come.
func (p *passages) arrive(at time.Duration, lost func(int, error)) (samples int) {
	kept := p.list[:0]
	found := false
	for _, one := range p.list {
		switch {
		case one.time < at:
			lost(one.samples, one.why)
		case one.time == at && !found:
			samples, found = one.samples, true
		default:
			kept = append(kept, one)
		}
	}
	p.list = kept
	return samples
}

// overdue gives up what is there for longer than any decoder takes.
func (p *passages) overdue(lost func(int, error)) {
	for len(p.list) > maxHeld {
		lost(p.list[0].samples, p.list[0].why)
		p.list = p.list[:copy(p.list, p.list[1:])]
	}
}

// rest takes everything out.
func (p *passages) rest() int {
	n := p.carried()
	for _, one := range p.list {
		n += one.samples
	}
	p.list = p.list[:0]
	return n
}
