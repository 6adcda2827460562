// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"net"

	"github.com/weir-pg/weir/internal/loop"
)

// Swap is a connection whose transport can be exchanged under a *tls.Conn that
// already uses it: it logs in over Go's own connection, and carries on over a
// loop's. It has no lock. Whoever owns the connection may call Take and Set,
// while nothing reads or writes it.
type Swap struct {
	net.Conn
}

// Take takes what carries the transport's bytes away from it (see loop.Take) and
// gives it to the caller. Until Set, every Read and Write fails with
// net.ErrClosed.
func (s *Swap) Take() (loop.Medium, error) { return loop.Take(s.Conn) }

// Set puts inner in the place of the transport that Take emptied.
func (s *Swap) Set(inner net.Conn) { s.Conn = inner }

// CloseWrite says that nothing more follows. It is an error where the transport
// cannot say so.
func (s *Swap) CloseWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}
