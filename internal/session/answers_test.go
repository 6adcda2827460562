// SPDX-License-Identifier: Apache-2.0

package session

import (
	"math/rand/v2"
	"testing"
)

// queue returns the answers due for messages of these types.
func queue(kinds string) *answers {
	q := new(answers)
	for _, k := range []byte(kinds) {
		q.push(answer{kind: k})
	}
	return q
}

// kindsDue returns the types of the messages whose answers are due.
func (q *answers) kindsDue() string {
	var s []byte
	for _, a := range q.list[q.head:] {
		s = append(s, a.kind)
	}
	return string(s)
}

func TestAnswersGroups(t *testing.T) {
	t.Parallel()
	tests := []struct {
		due    string
		groups int
	}{
		{"", 0}, {"PBE", 0}, {"PBES", 1}, {"Q", 1}, {"F", 1}, {"*", 1}, {"PBESBESBE", 2}, {"QQS", 3},
	}
	for _, tt := range tests {
		q := queue(tt.due)
		if got := q.groups(); got != tt.groups {
			t.Errorf("%q: %d groups, want %d", tt.due, got, tt.groups)
		}
		for range tt.due {
			q.pop()
		}
		if !q.empty() || q.first() != nil || q.groups() != 0 {
			t.Errorf("%q: after all were taken: empty %t, %d groups", tt.due, q.empty(), q.groups())
		}
	}
}

func TestAnswersUntilSync(t *testing.T) {
	t.Parallel()
	tests := []struct {
		due    string
		skip   int
		synced bool
	}{
		{"PBDES", 4, true}, {"PBDE", 4, false}, {"BESBES", 2, true}, {"S", 0, true}, {"", 0, false},
	}
	for _, tt := range tests {
		list, synced := queue(tt.due).untilSync()
		if len(list) != tt.skip || synced != tt.synced {
			t.Errorf("%q: %d are skipped, synced %t; want %d, %t", tt.due, len(list), synced, tt.skip, tt.synced)
		}
	}
}

// TestAnswersAgainstAModel compares with a plain slice, long enough for the
// queue to make use of its storage again.
func TestAnswersAgainstAModel(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var q answers
	var model []byte
	largest := 0
	for range 100_000 {
		if n := len(model); n > 0 && (r.IntN(2) == 0 || n > 200) {
			if got := q.first().kind; got != model[0] {
				t.Fatalf("first is %q, want %q", got, model[0])
			}
			q.pop()
			model = model[1:]
		} else {
			kind := "PBDECSQF"[r.IntN(8)]
			q.push(answer{kind: kind})
			model = append(model, kind)
		}
		groups := 0
		for _, k := range model {
			if a := (answer{kind: k}); a.ends() {
				groups++
			}
		}
		if q.groups() != groups || q.empty() != (len(model) == 0) {
			t.Fatalf("%d groups, want %d; empty %t with %d due", q.groups(), groups, q.empty(), len(model))
		}
		largest = max(largest, cap(q.list))
	}
	if q.kindsDue() != string(model) {
		t.Errorf("due: %q, want %q", q.kindsDue(), model)
	}
	if largest > 2048 {
		t.Errorf("room for %d answers was made for 200", largest)
	}
	q.reset()
	if !q.empty() || q.groups() != 0 {
		t.Error("not empty after reset")
	}
}

// TestAnswersForgetWhatTheyHeld: a queue is used again by other clients, and
// must not keep a statement alive.
func TestAnswersForgetWhatTheyHeld(t *testing.T) {
	t.Parallel()
	var q answers
	for range 10 {
		q.push(answer{kind: 'P', st: new(statement)})
	}
	for range 5 {
		q.pop()
	}
	q.reset()
	for i, a := range q.list[:cap(q.list)] {
		if a.st != nil {
			t.Errorf("answer %d is still held", i)
		}
	}
}

func TestAnswersBetween(t *testing.T) {
	t.Parallel()
	for due, want := range map[string]bool{"": true, "S": true, "PBES": true, "Q": true, "P": false, "PBESB": false} {
		if got := queue(due).between(); got != want {
			t.Errorf("%q: between groups %t, want %t", due, got, want)
		}
	}
}
