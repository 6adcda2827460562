// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// psqlCommands are psql's own ways to run a query. \watch ends with the first
// error.
const psqlCommands = `
create table sales (shop text, month int, sum int);
\copy sales from 'FILE' csv
\copy (select * from sales order by 1, 2) to pstdout csv header
set search_path = public, pg_catalog;
\copy (select shop, sum(sum) from sales group by 1 order by 1) to 'FILE.out' csv
\! cat 'FILE.out'
select shop, month, sum from sales order by 1, 2 \crosstabview shop month sum
select format('create table %I (n int)', 't' || i) from generate_series(1, 3) i \gexec
select format('insert into %I values (%s)', 't' || i, i) from generate_series(1, 3) i \gexec
select count(*) from t1, t2, t3;
create sequence tries;
\timing off
select 10 / (4 - nextval('tries')) as n \watch 0.05
select last_value from tries;
\set AUTOCOMMIT off
select 'in a block', set_config('work_mem', '7MB', true);
show work_mem;
commit;
show work_mem;
rollback;
drop table sales, t1, t2, t3; drop sequence tries;
commit;
`

func TestPsqlCommandsSeeTheSame(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2")
	file := filepath.Join(t.TempDir(), "sales.csv")
	if err := writeFile(file, "North,1,10\nNorth,2,20\nSouth,1,5\n\"East, far\",2,7\n"); err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(psqlCommands, "FILE", file)
	see := func(url string) string {
		out, err := output(within(t), script, nil, testpg.Program(t, "psql"), "-X", "-a", url)
		if err != nil {
			t.Fatal(err)
		}
		return watched(out)
	}
	want := see(g.url)
	strangers(t, w.url)
	sameLines(t, see(w.url), want)
}

// watched leaves out the headings of \watch, which are the time.
func watched(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "(every 0.05s)") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
