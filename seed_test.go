// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// seeded is what random() gives next where the seed is 0.5.
const seeded = "select random() = (select r from (select 0.9851677175347999::float8 r) x)"

// A client that sets the seed has the series of it, and nobody else. SET LOCAL and a
// rollback leave the series as it is (PostgreSQL: assign_random_seed).
func TestSeriesOfASeedIsItsClientsAlone(t *testing.T) {
	t.Parallel()
	url := database(t)
	direct := &gateway{upstream: url}
	for name, statements := range map[string][]string{
		"set":                {"set seed = 0.5"},
		"set session":        {`set session "SEED" to '0.5'`},
		"set local":          {"begin; set local seed = 0.5; commit"},
		"set local, alone":   {"set local seed = 0.5; select 1"},
		"in a block":         {"begin", "set local seed to 0.5", "commit"},
		"rolled back":        {"begin; set seed = 0.5; rollback"},
		"set_config":         {"select set_config('seed', '0.5', false)"},
		"set_config, local":  {"select set_config('Seed', '0.5', true)"},
		"computed":           {"select set_config('se' || 'ed', '0.5', true)"},
		"of a row":           {"select set_config(n, '0.5', true) from (values ('seed')) v (n)"},
		"setseed":            {"select setseed(0.5)"},
		"do":                 {"do $$begin set local seed = 0.5; end$$"},
		"do, set_config":     {"do $$begin perform set_config('seed', '0.5', true); end$$"},
		"do, dynamic":        {"do $$begin execute 'set local seed = 0.5'; end$$"},
		"do, setseed":        {"do $$begin perform setseed(0.5); end$$"},
		"procedure":          {"create procedure pg_temp.p() language sql as 'set local seed = 0.5'", "call pg_temp.p()"},
		"prepared":           {"prepare p (text, text) as select set_config($1, $2, true)", "execute p ('seed', '0.5')", "deallocate p"},
		"prepared, then set": {"prepare p (text) as select set_config($1, '0.5', false)", "begin; execute p ('Se' || 'ed'); deallocate p; rollback"},
		"set and then reset": {"set seed = 0.5; reset seed; reset all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
			alone, one, other := direct.settler(t, url), g.settler(t, g.url()), g.connect(t)
			for _, sql := range statements {
				if want, got := alone.say(t, sql), one.say(t, sql); got != want {
					t.Errorf("%s: %s, directly %s", sql, got, want)
				}
			}
			g.pins(t, 1)
			if got := ask(t, other, seeded); got != "f" {
				t.Error("another client has the series")
			}
			if want, got := alone.say(t, seeded), one.say(t, seeded); got != want {
				t.Errorf("the client has %s, directly %s", got, want)
			}
		})
	}
}

// The name may be a parameter.
func TestSeedByAParameterPins(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	one, other := g.connect(t), g.connect(t)
	const local = "select set_config($1, $2, true)"
	for range 2 {
		if _, err := one.Exec(bounded(t), local, "app.tenant", "seed of all"); err != nil {
			t.Fatal(err)
		}
	}
	g.balanced(t)
	if _, err := one.Exec(bounded(t), "select $3::int, set_config($1, $2, true)", "Seed", "0.5", nil); err != nil {
		t.Fatal(err)
	}
	g.pins(t, 1)
	if got := ask(t, other, seeded); got != "f" {
		t.Error("another client has the series")
	}
	if got := ask(t, one, seeded); got != "t" {
		t.Error("the client has not its series")
	}
}

// EXECUTE gives the name to what the protocol has prepared. What it has set is gone
// with its client.
func TestSettingsByExecuteStayWithTheirClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(1))
	for _, last := range []string{"true", "false"} {
		for name, steps := range map[string][]string{
			"of the protocol": {"define p select set_config($1, $2, " + last + ")", "execute p ('seed', '0.5')", "close p"},
			"in a body":       {"define p select set_config($1, $2, " + last + ")", "do $$begin execute 'execute p (''seed'', ''0.5'')'; end$$", "close p"},
			"of SQL":          {"prepare p (text, text) as select set_config($1, $2, " + last + ")", "execute p ('seed', '0.5')", "deallocate p"},
			"a role":          {"prepare p (text, text) as select set_config($1, $2, " + last + ")", "execute p ('role', 'pg_monitor')", "deallocate p"},
			"a role, both":    {"define p select set_config($1, $2, " + last + ")", "execute p ('role', 'pg_monitor')", "deallocate p", "select current_user"},
		} {
			direct, one := rawDirect(t, url), g.raw(t)
			for _, step := range steps {
				if want, got := direct.named(t, step), one.named(t, step); !slices.Equal(got, want) {
					t.Errorf("%s: %s: %q, directly %q", name, step, got, want)
				}
			}
			_, _ = direct.Close(), one.Close()
			other := g.connect(t)
			if got := ask(t, other, seeded); got != "f" {
				t.Errorf("%s, %s: another client has the series", name, last)
			}
			if got := ask(t, other, "select current_user <> session_user"); got != "f" {
				t.Errorf("%s, %s: another client has the role", name, last)
			}
			_ = other.Close(bounded(t))
		}
	}
}

// PostgreSQL takes a seed at login, of a role too, and does nothing with it
// (check_random_seed: only what is set interactively counts).
func TestSeedAtLoginDoesNothing(t *testing.T) {
	t.Parallel()
	url := database(t)
	g, direct := open(t, url, poolOf(1)), &gateway{upstream: url}
	for _, params := range [][]string{{"seed=0.5"}, {"options=-c seed=0.5"}, {"options=--SEED=5e-1"}} {
		for _, at := range []string{url, g.url()} {
			one := direct.settler(t, at, params...)
			if got := one.say(t, seeded); got != "SELECT 1 \"f\"\n" {
				t.Errorf("%s: at first %s", params, got)
			}
			one.say(t, "reset seed; reset all; discard all")
			if got := one.say(t, seeded); got != "SELECT 1 \"f\"\n" {
				t.Errorf("%s: later %s", params, got)
			}
			one.close(t)
		}
	}
	for _, seed := range []string{"7", "-1.5", "x", "", "0.5 x", "nan", "0x1", "1e400"} {
		var errs [2]*pgconn.PgError
		for i, at := range []string{url, g.url()} {
			config, err := pgconn.ParseConfig(at)
			if err != nil {
				t.Fatal(err)
			}
			config.RuntimeParams["seed"] = seed
			conn, err := pgconn.ConnectConfig(bounded(t), config)
			if err == nil {
				_ = conn.Close(bounded(t))
				continue
			}
			if !asPgError(err, &errs[i]) {
				t.Fatal(err)
			}
		}
		switch want, got := errs[0], errs[1]; {
		case (want == nil) != (got == nil):
			t.Errorf("seed %q: %v, directly %v", seed, got, want)
		case want != nil && (want.Message != got.Message || want.Code != got.Code || want.Severity != got.Severity):
			t.Errorf("seed %q: %v, directly %v", seed, got, want)
		}
	}
}
