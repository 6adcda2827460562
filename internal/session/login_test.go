// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"
)

// TestAClientOnItsWayToItsLoopIsPassedOver has something to tell all clients while
// one is registered and not on a loop yet, as it is while it is greeted.
func TestAClientOnItsWayToItsLoopIsPassedOver(t *testing.T) {
	t.Parallel()
	e := &Env{sessions: make(map[uint32]*Session)}
	p := &Pool{env: e}
	p.options.Store(&PoolOptions{})
	e.sessions[firstPID] = &Session{env: e, pool: p, key: key{pid: firstPID}}
	p.lookAround()
	e.dismissBelow(everyone)
	e.sweep(time.Now(), time.Second)
	if s := e.sessions[firstPID]; s.unwelcome() == nil {
		t.Error("it will not notice that it has to go")
	}
}
