// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"

	"github.com/weir-pg/weir/internal/wire"
)

func TestOnlyTheEndOfALostBlockIsTaken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		ends bool
	}{
		{"ROLLBACK", true},
		{"rollback;", true},
		{"COMMIT ;\n", true},
		{"/* why */ abort; ", true},
		{"ROLLBACK AND CHAIN", false},
		{"COMMIT AND CHAIN", false},
		{"COMMIT AND NO CHAIN", true},
		{"SELECT 1;", false},
		{"; ROLLBACK", true},
		{"SELECT 1; ROLLBACK", false},
		{"", false},
	}
	for _, tt := range tests {
		s := &Session{lost: true}
		end, _ := endOfQuery(append([]byte(tt.text), 0))
		reply := s.queryLost(end)
		want, status := byte(wire.ErrorResponse), wire.Failed
		if tt.ends {
			want, status = wire.CommandComplete, wire.Idle
		}
		if reply[0] != want || reply[len(reply)-1] != status || s.lost == tt.ends {
			t.Errorf("%q: got %q, lost %v", tt.text, reply, s.lost)
		}
	}
}
