// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/observe"
)

// Pins returns the clients that keep their upstreams between transactions, the one
// that has done so for longest first.
func (p *Pool) Pins() []observe.Pin {
	now := time.Now()
	var list []observe.Pin
	for _, s := range p.env.all() {
		if s.pool != p {
			continue
		}
		if pin, ok := s.describePin(now); ok {
			list = append(list, pin)
		}
	}
	slices.SortFunc(list, func(a, b observe.Pin) int { return cmp.Compare(b.Age, a.Age) })
	return list
}

// describePin returns why this client keeps its upstream; false where it does not.
func (s *Session) describePin(now time.Time) (observe.Pin, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pin == nil {
		return observe.Pin{}, false
	}
	d := observe.Pin{PID: s.key.pid, ApplicationName: s.applicationName()}
	for i := range s.pin.reasons.each {
		age := now.Sub(s.pin.since[i]).Seconds()
		d.Age = max(d.Age, age)
		d.Reasons = append(d.Reasons, observe.PinReason{Reason: reasonNames[i], Age: age})
	}
	return d, true
}

// warnLater has the log warn of a client that is pinned for long. The timer is
// stopped where the pin ends before that.
func (s *Session) warnLater() *time.Timer {
	after := s.pool.config().PinWarnAfter
	if after <= 0 {
		return nil
	}
	return s.client.Loop().After(after, loop.Func(func() {
		d, ok := s.describePin(time.Now())
		if ok && d.Age >= after.Seconds() { // else another pin has begun meanwhile
			s.env.log.Warn("a client keeps its connection to PostgreSQL for long", "because", sayPin(d), "pool", s.pool.name(), "client", s.describe())
		}
	}))
}

// namedHolders is how many pinned clients an error names.
const namedHolders = 3

// holders says who is pinned, those first who have been for longest: "pinned 214 s
// by pg_advisory_lock, application_name "worker"".
func (p *Pool) holders(most int) []string {
	var list []string
	for _, pin := range p.Pins() {
		if len(list) == most {
			break
		}
		list = append(list, fmt.Sprintf("%s, application_name %q", sayPin(pin), pin.ApplicationName))
	}
	return list
}

// sayPin says for how long a client is pinned, and by what.
func sayPin(p observe.Pin) string {
	var why []string
	for _, r := range p.Reasons {
		why = append(why, r.Reason)
	}
	return fmt.Sprintf("pinned %.0f s by %s", p.Age, strings.Join(why, " and "))
}

// isPinned is for other goroutines than the client's loop.
func (s *Session) isPinned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pin != nil
}
