// SPDX-License-Identifier: Apache-2.0

package weir_test

import "testing"

// TestAClientDoesNotReadTheCatalogForEver has others define something each time that a
// client's connection reads what routines there are: it reads that once for a request.
// A lock holds the reading up, and behind it another waits that would hold up the next.
func TestAClientDoesNotReadTheCatalogForEver(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(4))
	reads, defines := g.raw(t), g.raw(t)
	first, second, looks := rawDirect(t, url), rawDirect(t, url), rawDirect(t, url)
	const lock, define = "begin; lock table pg_policy", "begin; create function f() returns int language sql as 'select 1'; rollback"
	lockers := func(n string) func() bool {
		return func() bool {
			looks.query(t, "select 1/(count(*) = "+n+")::int from pg_locks where relation = 'pg_policy'::regclass and database = (select oid from pg_database where datname = current_database()) and not granted")
			return looks.transcript(t, 1) == "T D C Z(I)"
		}
	}
	for _, client := range []*raw{reads, defines} {
		client.query(t, "select 1")
		client.transcript(t, 1)
	}
	first.query(t, lock)
	first.transcript(t, 1)
	reads.query(t, define)
	until(t, "the catalog to be read", lockers("1"))
	defines.query(t, define)
	defines.transcript(t, 1)
	reads.query(t, "select 1") // what it reads now is new enough for that
	second.query(t, lock)
	until(t, "the next lock to be asked for", lockers("2"))
	first.query(t, "commit")
	first.transcript(t, 1)
	second.transcript(t, 1)
	if got, want := reads.transcript(t, 2), "C C C Z(I) T D C Z(I)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	second.query(t, "commit")
	second.transcript(t, 1)
}
