// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"testing"

	"github.com/weir-pg/weir/internal/wire"
)

func TestEndsInTerminate(t *testing.T) {
	t.Parallel()
	query := wire.AppendQuery(nil, "insert into t values (1)")
	terminate := wire.AppendEmpty(nil, wire.Terminate)
	join := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	tests := []struct {
		name string
		b    []byte
		want bool
	}{
		{"nothing", nil, false},
		{"a query", query, false},
		{"a query and goodbye", join(query, terminate), true},
		{"goodbye alone", terminate, true},
		{"half a goodbye", join(query, terminate[:3]), false},
		{"half a query", query[:len(query)-1], false},
		{"an X in a text", wire.AppendQuery(nil, "X\x00\x00\x00\x04"), false},
		{"an impossible length", join(query, []byte("Q\xff\xff\xff\xff"), terminate), false},
	}
	for _, tt := range tests {
		if got := endsInTerminate(tt.b); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
}

func FuzzEndsInTerminate(f *testing.F) {
	f.Add(wire.AppendEmpty(wire.AppendQuery(nil, "select 1"), wire.Terminate))
	f.Add([]byte("X\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if endsInTerminate(b) && !endsInTerminate(append(slices.Clip(b), 'Q')) {
			t.Error("bytes after a goodbye took it back")
		}
	})
}

func TestStatesHaveNames(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for s := Idle; s <= Closed; s++ {
		if name := s.String(); name == "" || seen[name] {
			t.Errorf("state %d is called %q, as another is", s, name)
		} else {
			seen[name] = true
		}
	}
}
