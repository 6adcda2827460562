// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/weir-pg/weir/internal/loop"
)

// lingerTime is how long a client that was sent away may take to read why.
const lingerTime = 2 * time.Second

// linger closes a client that has been written a last message. A socket that is
// closed with unread bytes is reset, which would take the message away before
// the client has read it: so weir says that nothing more follows, reads what
// comes until the client closes as well, and does not wait long for that.
func (s *Session) linger() {
	s.retire(Closing)
	if s.env.aborting.Load() {
		s.close() // there is no time to read it
		return
	}
	_ = s.client.CloseWrite() // fails where the client has gone, which is the goal
	s.client.Loop().After(lingerTime, loop.Func(s.close))
	s.lingerOn()
}

// lingerOn reads and forgets.
func (s *Session) lingerOn() {
	var scratch [1 << 10]byte
	for {
		if _, err := s.client.Conn.Read(scratch[:]); err != nil {
			if !loop.IsAgain(err) {
				s.close()
			}
			return
		}
	}
}
