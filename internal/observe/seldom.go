// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"sync"
	"time"
)

// Seldom spares the log what happens often: of what is told to it, the first is
// passed on at once, and what follows within Every once that is over, with how
// many there were. The zero value passes on once a second.
type Seldom struct {
	Every time.Duration // 0 is a second; fixed before the first use

	mu    sync.Mutex
	count int         // guarded by mu; told and not yet passed on
	write func(n int) // guarded by mu; of the last that was told
	timer *time.Timer // guarded by mu; nil while nothing was passed on lately
}

// Tell has write called with how often Tell was called since the last time: now,
// or by a timer.
func (s *Seldom) Tell(write func(n int)) {
	s.mu.Lock()
	s.count++
	s.write = write
	if s.timer != nil {
		s.mu.Unlock()
		return
	}
	s.count = 0
	s.timer = time.AfterFunc(s.every(), s.again)
	s.mu.Unlock()
	write(1)
}

func (s *Seldom) every() time.Duration {
	if s.Every > 0 {
		return s.Every
	}
	return time.Second
}

// again passes on what came meanwhile.
func (s *Seldom) again() {
	s.mu.Lock()
	n, write := s.count, s.write
	s.count, s.write, s.timer = 0, nil, nil
	if n > 0 {
		s.timer = time.AfterFunc(s.every(), s.again)
	}
	s.mu.Unlock()
	if n > 0 {
		write(n)
	}
}
