// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/gateway"
)

// peerWeir is a weir in a simulation, as far as a role's limit goes.
type peerWeir struct {
	share   gateway.Share
	wants   int // connections that its clients keep busy
	ours    int
	allowed int
}

// turn is one reading of a weir and what it does then: it closes what it may not
// have, and opens what it wants as far as the role has room.
func (w *peerWeir) turn(limit, others int, now time.Time) {
	idle := max(w.ours-w.wants, 0)
	w.allowed = w.share.Next(gateway.NewReading(limit, others, w.ours, idle, w.wants > w.ours), now)
	w.ours = min(w.ours, w.allowed)
	w.ours = max(w.ours, min(w.wants, w.allowed, limit-others))
}

func TestSharesOfARole(t *testing.T) {
	t.Parallel()
	const limit = 6
	for _, test := range []struct {
		name         string
		a, b         int // wanted
		atA, atB     int // had at first
		wantA, wantB int // after a minute
	}{
		{"both want all, one has it", 10, 10, 6, 0, 3, 3},
		{"both want all", 10, 10, 3, 3, 3, 3},
		{"one wants all, the other nothing any more", 10, 0, 0, 6, 5, 1},
		{"one wants all, the other little", 10, 1, 0, 6, 5, 1},
		{"both want little", 2, 2, 4, 2, 3, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := &peerWeir{wants: test.a, ours: test.atA}, &peerWeir{wants: test.b, ours: test.atB}
			now := time.Unix(0, 0)
			for range 60 {
				now = now.Add(time.Second)
				a.turn(limit, b.ours, now)
				b.turn(limit, a.ours, now)
			}
			if a.ours != test.wantA || b.ours != test.wantB {
				t.Errorf("got %d and %d, want %d and %d", a.ours, b.ours, test.wantA, test.wantB)
			}
		})
	}
}

// TestAWeirAloneKeepsItsRolesLimit has nobody take what is given up.
func TestAWeirAloneKeepsItsRolesLimit(t *testing.T) {
	t.Parallel()
	w := &peerWeir{wants: 10, ours: 6}
	now, sum := time.Unix(0, 0), 0
	for range 600 {
		now = now.Add(time.Second)
		w.turn(6, 0, now)
		sum += w.ours
	}
	if share := float64(sum) / (600 * 6); share < 0.95 {
		t.Errorf("a weir alone had %.3f of its role's connections, want 0.95 at least", share)
	}
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	var s gateway.Share
	for _, step := range []struct {
		what           string
		sessions, ours []uint32
		joining, want  int
	}{
		{"all are ours", []uint32{1, 2, 3}, []uint32{1, 2, 3, 9}, 0, 0},
		{"one may be the one that is being opened", []uint32{1, 2, 4}, []uint32{1, 2}, 1, 0},
		{"it was, and there is another", []uint32{1, 2, 4, 5}, []uint32{1, 2, 4}, 1, 0},
		{"that one stays unknown", []uint32{1, 2, 5}, []uint32{1, 2}, 1, 1},
		{"more than are being opened", []uint32{1, 5, 6, 7, 8}, []uint32{1}, 1, 3},
		{"all are others'", []uint32{5, 6, 7, 8}, nil, 4, 4},
	} {
		if got := s.Strangers(step.sessions, step.ours, step.joining); got != step.want {
			t.Errorf("%s: got %d strangers, want %d", step.what, got, step.want)
		}
	}
}
