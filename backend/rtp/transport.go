package rtp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// A transport is the pair of ports of one stream.
type transport struct {
	rtp  *net.UDPConn
	rtcp *net.UDPConn // the same as rtp where both share a port
}

// listen opens the stream's ports. The address of the description is listened
// on if this machine has it, and joined if it is a group; where it is another's,
// as in what a SIP gateway says of itself, all addresses of its family are
// listened on.
func listen(s *section) (t transport, err error) {
	if t.rtp, err = open(s.address, s.port); err != nil {
		return t, fmt.Errorf("%s: %w", s, err)
	}
	t.rtcp = t.rtp
	if s.mux() {
		return t, nil
	}
	if t.rtcp, err = open(s.address, s.rtcpPort); err != nil {
		t.rtp.Close()
		return t, fmt.Errorf("RTCP of %s: %w", s, err)
	}
	return t, nil
}

func (t transport) close() {
	t.rtp.Close()
	t.rtcp.Close() // closing twice does no harm
}

// open opens one port.
func open(a netip.Addr, port uint16) (*net.UDPConn, error) {
	network := "udp" // both families
	switch {
	case a.Is4():
		network = "udp4"
	case a.Is6():
		network = "udp6"
	}
	at := net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, port))
	var conn *net.UDPConn
	var err error
	if a.IsMulticast() {
		conn, err = net.ListenMulticastUDP(network, nil, at)
	} else {
		conn, err = net.ListenUDP(network, at)
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			conn, err = net.ListenUDP(network, &net.UDPAddr{Port: int(port)})
		}
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: UDP port %d: %w", ErrPortInUse, port, err)
	case err != nil:
		return nil, fmt.Errorf("UDP port %d: %w", port, err)
	}
	grow(conn)
	return conn, nil
}

// Sizes in bytes that the system is asked for as a socket's buffer, which holds
// what comes while another process has the processor: 4 MB is a second of
// 32 Mbit/s. Linux gives what net.core.rmem_max allows, others refuse.
const (
	largestBuffer  = 4 << 20
	smallestBuffer = 256 << 10
)

// grow asks for a large buffer; with a small one the stream works all the same.
func grow(conn *net.UDPConn) {
	for size := largestBuffer; size >= smallestBuffer; size /= 2 {
		if conn.SetReadBuffer(size) == nil {
			return
		}
	}
}
