// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

// typical is a statement as an object-relational mapper writes them.
const typical = `SELECT u.id, u.email, u.created_at, o.total FROM users u ` +
	`JOIN orders o ON o.user_id = u.id WHERE u.email = $1 AND o.state = 'paid' ORDER BY u.id LIMIT 20`

func BenchmarkFirst(b *testing.B) {
	text := []byte(typical)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if s := sqltext.First(text); s.Kind != sqltext.Select {
			b.Fatal(s)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	text := []byte(typical)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if s := sqltext.Scan(text); s.Count != 1 || s.Flags != 0 {
			b.Fatal(s)
		}
	}
}

func BenchmarkFirstDeallocate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if s := sqltext.First("DEALLOCATE _pg3_17"); s.Name != "_pg3_17" {
			b.Fatal(s)
		}
	}
}
