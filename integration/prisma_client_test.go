// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// tabled is a ground on the server of a superuser's URL, with the tables of
// integration/prisma, made without Prisma's command line. Its counters are 0 to
// 99.
func tabled(t testing.TB, server string) ground {
	t.Helper()
	g := freshOn(t, server, "")
	files, err := fs.Glob(os.DirFS("prisma/prisma/migrations"), "*/migration.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("migrations: %v, %v", files, err)
	}
	for _, name := range files {
		sql, err := os.ReadFile("prisma/prisma/migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		testpg.Exec(t, g.url, string(sql))
	}
	return g
}

// client runs integration/prisma/client.mjs, which says what its arguments
// mean, and returns what it printed.
func (p prisma) client(ctx context.Context, url string, args ...string) (string, error) {
	cmd := p.command(ctx, url, p.script, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("client.mjs %s: %w\n%.4000s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// Reads and writes of every kind, transactions and what becomes of those that
// are too slow, raw queries, errors, 10 MiB at once.
func TestPrismaClientSeesTheSame(t *testing.T) {
	t.Parallel()
	p := newPrisma(t)
	direct, through := tabled(t, testpg.URL(t)), tabled(t, testpg.URL(t))
	w := open(t, through.url, "DATABASE_POOL_MAX=5")
	strangers(t, w.url)
	want, err := p.client(t.Context(), direct.url, "compare")
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.client(t.Context(), w.url, "compare")
	if err != nil {
		t.Fatal(err)
	}
	sameLines(t, got, want)
	t.Logf("%d answers are the same directly and through weir; parts: %s", strings.Count(want, "\n"), strings.Join(parts(want), "; "))
}

// parts lists the parts of a comparison.
func parts(said string) (names []string) {
	for line := range strings.Lines(said) {
		if name, ok := strings.CutPrefix(line, `{"what":"part","value":"`); ok {
			names = append(names, strings.TrimSuffix(name, "\"}\n"))
		}
	}
	return names
}

// Sixty clients in four processes, each with a pool of two.
func TestPrismaClientsShareAPoolOfFive(t *testing.T) {
	t.Parallel()
	const processes, clients, turns = 4, 15, 3
	p := newPrisma(t)
	crowd := func(url string) []string {
		var said [processes]string
		err := together(processes, func(i int) (err error) {
			said[i], err = p.client(t.Context(), url, "crowd", strconv.Itoa(clients), strconv.Itoa(i*clients), strconv.Itoa(turns))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(strings.Lines(strings.Join(said[:], "")))
	}
	server := testpg.New(t, pgserver.Options{Settings: map[string]string{"max_connections": "200"}}).URL()
	direct, through := tabled(t, server), tabled(t, server)
	w := open(t, through.url, "DATABASE_POOL_MAX=5")
	want := crowd(direct.url)
	seen := through.watch(t)
	got := crowd(w.url)
	if n := seen(); n > 5 {
		t.Errorf("%d backends at one time, want at most 5", n)
	}
	if len(want) != processes*clients*turns {
		t.Errorf("directly %d turns, want %d", len(want), processes*clients*turns)
	}
	sameLines(t, strings.Join(got, ""), strings.Join(want, ""))
	t.Logf("%d clients with pools of 2 in %d processes on 5 connections: %d turns, all as directly", processes*clients, processes, len(got))
}
