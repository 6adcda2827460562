// SPDX-License-Identifier: Apache-2.0

package weir_test

import "testing"

func TestAWrongDatabaseInOneURLLeavesTheGatewayReady(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	conn := g.connect(t)
	if _, err := g.try(t, "dbname=weir_no_such_database"); code(err) != "3D000" {
		t.Errorf("got %v, want 3D000", err)
	}
	if err := g.Ready(t.Context()); err != nil {
		t.Errorf("got %v, want ready", err)
	}
	must(t, conn, "SELECT 1")
	for _, s := range g.Status().Servers {
		if !s.Up || s.LastError != "" {
			t.Errorf("got %+v, want it up", s)
		}
	}
}
