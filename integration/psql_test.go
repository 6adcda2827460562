// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// psqlScript is what a person does with psql.
const psqlScript = `
\set VERBOSITY verbose
create table people (id serial primary key, name text not null, born date);
insert into people (name, born) values ('Ada', '1815-12-10'), ('Grace', '1906-12-09'), ('Edsger', null);
\d people
\dt
\l template0
select * from people order by id;
\x
select * from people where id = 1;
\x
select 1/0;
select * from nowhere;
begin;
update people set born = '1930-05-11' where name = 'Edsger';
select 1/0;
select 'not now';
rollback;
begin;
savepoint s;
insert into people values (1, 'twice');
rollback to s;
update people set name = 'Edsger W.' where name = 'Edsger' returning *;
commit;
select name from people where id = 2 \gset
\echo :name
select id, name from people order by id \gdesc
select format('select %L as n', i) from generate_series(1, 3) i \gexec
\copy people to pstdout csv header
\copy people (name) from pstdin
copy people to stdout;
copy people (name) from stdin;
Barbara
Frances
\.
copy people (id) from stdin;
not a number
\.
select count(*) from people;
do $$ begin raise notice 'a notice'; raise warning 'a warning'; end $$;
set datestyle = 'German';
select born from people where id = 1;
set timezone = 'Asia/Tokyo'; show timezone;
\timing off
select 1; select 2\; select 3;
prepare p as select 1; 
\set ON_ERROR_ROLLBACK on
begin;
select 1/0;
select 'still';
commit;
\set FETCH_COUNT 7
select i from generate_series(1, 20) i;
\encoding LATIN1
select chr(228);
drop table people;
`

func TestPsqlSeesTheSame(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2")
	psql := testpg.Program(t, "psql")
	see := func(url string) string {
		out, err := output(within(t), psqlScript, nil, psql, "-X", "-a", url)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := see(g.url)
	strangers(t, w.url)
	sameLines(t, see(w.url), want)
}

// starting is how many psql start at once: more would take the machine's
// processors from the clients of other tests.
const starting = 4

// psqlCrowd holds all psql at their first line until the last has connected.
func psqlCrowd(ctx context.Context, t *testing.T, url string) error {
	path := testpg.Program(t, "psql")
	turns := make(chan struct{}, starting)
	var connected sync.WaitGroup
	connected.Add(crowded)
	return together(crowded, func(i int) error {
		turns <- struct{}{}
		p, err := startPsql(ctx, path, url)
		<-turns
		connected.Done()
		if err != nil {
			return err
		}
		connected.Wait()
		step := fmt.Sprintf("begin; select n from counters where id = %d; update counters set n = n + 1 where id = %d; commit; select %d, 'me';\n", i, i, i)
		want := ""
		for n := range times {
			want += fmt.Sprintf("%d\n%d|me\n", n, i)
		}
		return p.finish(strings.Repeat(step, times), want)
	})
}

// running is a psql that has connected.
type running struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startPsql(ctx context.Context, path, url string) (*running, error) {
	p := &running{cmd: exec.CommandContext(ctx, path, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url)}
	p.cmd.Env = environment()
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(p.in, "select 'ready';\n"); err != nil {
		return nil, p.failed(err)
	}
	if line, err := p.out.ReadString('\n'); line != "ready\n" {
		return nil, p.failed(errors.Join(fmt.Errorf("psql printed %q, want ready", line), err))
	}
	return p, nil
}

// finish gives psql the rest of its input, and compares what it prints.
func (p *running) finish(input, want string) error {
	if _, err := io.WriteString(p.in, input); err != nil {
		return p.failed(err)
	}
	if err := p.in.Close(); err != nil {
		return p.failed(err)
	}
	got, err := io.ReadAll(p.out)
	if err != nil || string(got) != want {
		return p.failed(errors.Join(fmt.Errorf("psql printed %q, want %q", got, want), err))
	}
	return p.cmd.Wait()
}

// failed ends psql.
func (p *running) failed(err error) error {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	return errors.Join(err, p.cmd.Wait())
}
