// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// load counts how a client's inserts ended.
type load struct {
	done    int // acknowledged
	refused int // not executed, or rolled back
	unknown int // 08007, or the client gave up
}

// insert inserts rows until ctx ends.
func (l *load) insert(t *testing.T, ctx context.Context, conn *pgx.Conn, client int) {
	for n := 0; ctx.Err() == nil; n++ {
		_, err := conn.Exec(ctx, "insert into rows values ($1, $2)", client, n)
		switch code := code(err); {
		case err == nil:
			l.done++
		case ctx.Err() != nil:
			l.unknown++
			return
		case code == "08007":
			l.unknown++
		case code == "57P01" || code == "08006" || code == "57P03" || code == "53300":
			l.refused++
		default:
			t.Errorf("client %d got %v", client, err)
			return
		}
		if conn.IsClosed() {
			t.Errorf("client %d lost its connection to weir", client)
			return
		}
	}
}
