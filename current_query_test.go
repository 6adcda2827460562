// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"
)

// TestAStatementThatReadsItsTextReadsItsClients has clients prepare what differs in a
// comment alone, and shows its own text in some way.
func TestAStatementThatReadsItsTextReadsItsClients(t *testing.T) {
	t.Parallel()
	upstream := database(t)
	g := open(t, upstream, poolOf(1))
	direct := rawDirect(t, upstream)
	for _, sql := range []string{
		"create function plain() returns text language sql as 'select current_query()'",
		"create function deep() returns text language plpgsql as 'begin return plain(); end'",
		"create function built() returns text language plpgsql as $$ declare r text; begin execute 'select current_' || 'query()' into r; return r; end $$",
		"create function atomic() returns text language sql begin atomic select current_query(); end",
		"create view seen as select current_query() as q",
		"create view activity as select query as q from pg_stat_activity where pid = pg_backend_pid()",
		"create view nested as select q from seen",
		"create table audited (a int, said text)",
		"create function audit() returns trigger language plpgsql as 'begin new.said := current_query(); return new; end'",
		"create trigger audit before insert on audited for each row execute function audit()",
		"create table defaulted (a int, said text default current_query())",
		"create function told(q text default current_query()) returns text language sql as 'select q'",
	} {
		direct.named(t, sql)
	}
	for _, sql := range []string{
		"select current_query() /* %c */", `select "current_query"() /* %c */`, "select /* %c */ pg_catalog . CURRENT_QUERY()", `select U&"current\005fquery"() /* %c */`,
		"select query /* %c */ from pg_stat_activity where pid = pg_backend_pid()",
		"select query /* %c */ from pg_stat_get_activity(pg_backend_pid())",
		"select pg_stat_get_backend_activity(n) /* %c */ from pg_stat_get_backend_idset() n where pg_stat_get_backend_pid(n) = pg_backend_pid()",
		"select query_to_xml('select current_' || 'query() as q', false, false, '') /* %c */",
		"select table_to_xml('seen', false, false, '') /* %c */",
		"select plain() /* %c */", "select deep() /* %c */", "select built() /* %c */", "select atomic() /* %c */", "select told() /* %c */",
		"select * from seen /* %c */", "select * from nested /* %c */", "select * from activity -- %c\n", "select statement /* %c */ from pg_prepared_statements where name <> ''",
		"insert into audited values (1) returning said /* %c */", "insert into defaulted values (1) returning said /* %c */",
	} {
		for _, c := range []string{"A", "B", ""} {
			text, want := strings.Replace(sql, "%c", "tenant="+c, 1), "tenant="+c
			if c == "" {
				text = strings.NewReplacer("/* %c */", "/**/", "-- %c", "--").Replace(sql) // what is left of the others
				want = text
			}
			one := g.raw(t)
			one.named(t, "define s "+text)
			if got := strings.Join(one.named(t, "run s"), " "); !strings.Contains(got, want) {
				t.Errorf("%s: got %s", text, got)
			}
			_ = one.Close() // what keeps its connection gives it to the next
		}
	}
}
