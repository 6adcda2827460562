// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// key is what a client was told in BackendKeyData, and names in a cancel
// request. A secret has 4 bytes in protocol 3.0, more in 3.2.
type key struct {
	pid    uint32
	secret []byte
}

const (
	// firstPID is above every process id that a system gives to a backend
	// (Linux: at most 2^22), so that pg_terminate_backend with a client's id hits
	// nobody, and below 2^31, because clients read it as a signed number.
	firstPID = 1 << 30

	secretSize30 = 4
	secretSize32 = 32 // as PostgreSQL's own
)

// ErrFull says that as many clients are logged in as may be.
var ErrFull = errors.New("as many clients are connected as may be")

// register takes a client in, unless too many are, and gives it a key that no
// other has: enter, which is called with mu held, puts it where find looks.
func (e *Env) register(protocol uint32, enter func(key)) error {
	secret := newSecret(protocol)
	e.mu.Lock()
	defer e.mu.Unlock()
	pid, err := e.newPIDLocked()
	if err != nil {
		return err
	}
	enter(key{pid, secret})
	return nil
}

// newSecret returns a secret that the protocol has room for.
func newSecret(protocol uint32) []byte {
	size := secretSize30
	if protocol >= wire.Protocol32 {
		size = secretSize32
	}
	secret := make([]byte, size)
	rand.Read(secret)
	return secret
}

// newPIDLocked returns a process id that no client has.
func (e *Env) newPIDLocked() (uint32, error) {
	if len(e.sessions)+len(e.relays) >= e.maxClients {
		return 0, ErrFull
	}
	var random [4]byte
	for {
		rand.Read(random[:])
		pid := firstPID | binary.BigEndian.Uint32(random[:])&(firstPID-1)
		if e.sessions[pid] == nil && e.relays[pid] == nil {
			return pid, nil
		}
	}
}

// find returns the client with this key, nil and nil if there is none.
func (e *Env) find(pid uint32, secret []byte) (*Session, *relay) {
	e.mu.Lock()
	s, r := e.sessions[pid], e.relays[pid]
	e.mu.Unlock()
	switch {
	case s != nil && subtle.ConstantTimeCompare(s.key.secret, secret) == 1:
		return s, nil
	case r != nil && subtle.ConstantTimeCompare(r.key.secret, secret) == 1:
		return nil, r
	}
	return nil, nil
}

// Cancel carries out a client's cancel request: it goes to the upstream that the
// client holds, or takes its request out of the queue. A key that fits nobody,
// and a client that asks nothing, are passed over in silence, as PostgreSQL
// does. Cancel returns once PostgreSQL has passed the request on.
func (e *Env) Cancel(ctx context.Context, pid uint32, secret []byte) {
	s, r := e.find(pid, secret)
	if r != nil {
		r.cancel(ctx)
		return
	}
	if s == nil {
		return
	}
	s.cancels.Add(1)
	up := s.target(ctx)
	if up == nil {
		if l := s.client.Loop(); l != nil { // else it has asked nothing yet
			l.Post(loop.Func(s.cancelWait))
		}
		return
	}
	why := ""
	if err := up.Cancel(ctx); err != nil {
		e.log.Warn("cancel request failed", "pool", up.pool.name(), "error", err)
		why = "a cancel request was not confirmed" // PostgreSQL may have seen it, or will
	}
	up.cancelOver(why)
}

// target returns the upstream to which a cancel of the client's request goes,
// with the cancel counted, nil where there is none. It waits while a shield is up.
func (s *Session) target(ctx context.Context) *Upstream {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.shielded {
		if s.bare == nil {
			s.bare = make(chan struct{})
		}
		bare := s.bare
		s.mu.Unlock()
		select {
		case <-bare:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			return nil
		}
	}
	if s.up != nil {
		s.up.cancels.Add(1)
	}
	return s.up
}

// shield has cancels wait until the settings that go ahead of a request are in
// place. One that hit them would undo them, and the request behind them, in the
// same write, would run with those of another client. It reports false where a
// cancel is under way already.
func (s *Session) shield() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shielded = s.up.cancels.Load() == 0
	return s.shielded
}

// unshield lets cancels through again.
func (s *Session) unshield() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shielded = false
	if s.bare != nil {
		close(s.bare)
		s.bare = nil
	}
}

// cancelWait ends the wait of a request that was cancelled in the queue.
func (s *Session) cancelWait() {
	if s.State() == Waiting && s.leaveWait() {
		s.Refused(&sqlstate.Error{
			Code:    sqlstate.QueryCanceled,
			Message: "canceling statement due to user request",
			Detail:  "It was waiting for a connection to PostgreSQL and was not executed.",
			Routine: sqlstate.QueueCanceled,
		})
	}
}
