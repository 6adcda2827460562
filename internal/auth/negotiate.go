// SPDX-License-Identifier: Apache-2.0

package auth

import "github.com/weir-pg/weir/internal/wire"

// negotiate reads up to the first packet that does not ask for encryption,
// answers those on the way, and returns the packet's body. Each request may come
// once, in either order, and is refused or granted as PostgreSQL's
// ProcessStartupPacket does; one that comes again is returned, and is no version
// that anybody speaks.
//
// Packets are read exactly, so nothing that a client (or somebody on the way)
// sent in plain text after its SSLRequest can be taken for something said inside
// TLS: such bytes reach the handshake, which fails on them. That is the attack of
// CVE-2021-23214, against which PostgreSQL checks its buffer.
func (a *Acceptor) negotiate(c *turn) ([]byte, error) {
	if err := a.TLS.direct(c); err != nil {
		return nil, err
	}
	var ssl, gss bool
	for {
		body, err := readStartup(c.stream)
		if err != nil {
			return nil, err
		}
		switch code := wire.StartupCode(body); {
		case code == wire.SSLCode && !ssl:
			ssl = true
			err = a.TLS.answer(c)
		case code == wire.GSSCode && !gss:
			gss = true
			err = c.send([]byte{'N'})
		default:
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
