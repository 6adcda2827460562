// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// TestTheReadmesTableIsTrue measures the table with which README.md begins: clients at
// once, for a role with a connection limit, directly and through weir. Each stays
// connected and is served once.
func TestTheReadmesTableIsTrue(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	role := testpg.Role(t, database(t), "connection limit 5")
	for _, way := range [][2]string{{"directly", role}, {"through weir", open(t, role).url()}} { // weir keeps what it has opened
		served, refused := crowd(t, way[1])
		if row := fmt.Sprintf("| %s | %d | %d |", way[0], served, refused); !strings.Contains(string(readme), row) {
			t.Errorf("README.md lacks the row %s", row)
		}
	}
}

// crowd connects 100 clients, has each ask something, and disconnects them.
func crowd(t *testing.T, url string) (served, refused int) {
	t.Helper()
	for range 100 {
		conn, err := pgx.Connect(bounded(t), url)
		if err != nil {
			if !strings.Contains(err.Error(), "too many connections for role") {
				t.Errorf("%s: %v", url, err)
			}
			refused++
			continue
		}
		defer func() { _ = conn.Close(bounded(t)) }()
		must(t, conn, "select 1")
		served++
	}
	return served, refused
}
