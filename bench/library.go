// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// The library's measurement: pools of librarySize, in one process, and in
// several whose role may have half of what they would open.
const (
	librarySize      = 10
	libraryProcesses = 4
	libraryLimit     = libraryProcesses * librarySize / 2
	libraryRole      = "library"
)

// The arrangements of the goroutines.
const (
	together = "one process"
	apart    = "four processes"
)

// library is a Go program that asks by Gateway.Pool and by a bare pgxpool.
func (r *rig) library() measurement {
	m := measurement{
		name:     library,
		pool:     librarySize,
		rounds:   r.opts.rounds,
		seconds:  r.opts.seconds,
		commands: []string{fmt.Sprintf("create role %s connection limit %d", libraryRole, libraryLimit)},
		sample:   r.sampleLibrary,
		own: []*contender{
			{name: "weir", key: weir, version: "this program's", start: inside("weir")},
			{name: "pgxpool", key: "pgxpool", version: pgxVersion(), start: inside("pgxpool")},
		},
	}
	for _, c := range []scenario{{together, 1}, {together, 10}, {together, 100}, {together, 500}, {apart, 20}, {apart, 100}, {apart, 500}} {
		if !r.opts.smoke || c.Clients == 100 {
			m.cases = append(m.cases, c)
		}
	}
	return m
}

// inside is a contender that is a part of the program that asks.
func inside(name string) func(context.Context, int) (*peer, error) {
	return func(context.Context, int) (*peer, error) { return &peer{name: name, stop: func() {}}, nil }
}

// pgxVersion is the version of pgx that this program has.
func pgxVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/jackc/pgx/v5" {
			return "pgx " + d.Version
		}
	}
	return ""
}

// sampleLibrary starts the programs, has them begin together, and adds up.
func (r *rig) sampleLibrary(ctx context.Context, p *peer, c scenario) (sample, error) {
	processes := 1
	if c.Mode == apart {
		processes = libraryProcesses
	}
	dsn, err := r.libraryURL(ctx)
	if err != nil {
		return sample{}, err
	}
	workers := make([]*worker, processes)
	defer func() {
		for _, w := range workers {
			w.end()
		}
	}()
	for i := range workers {
		if workers[i], err = hire(p.name, dsn, c.Clients/processes, r.opts.seconds); err != nil {
			return sample{}, err
		}
	}
	var sum worked
	var errs []error
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, w := range workers {
		group.Go(func() {
			done, err := w.work()
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			sum = sum.add(done)
		})
	}
	group.Wait()
	return r.account(sum), errors.Join(errs...)
}

func (s worked) add(other worked) worked {
	s.Done += other.Done
	s.Failed += other.Failed
	s.CPU += other.CPU
	s.Times = append(s.Times, other.Times...)
	s.Error = cmp.Or(s.Error, other.Error)
	return s
}

// account makes a sample of what was done.
func (r *rig) account(sum worked) sample {
	if sum.Done == 0 {
		return sample{Err: "nothing was answered: " + sum.Error}
	}
	if sum.Error != "" {
		r.say("%d questions failed, such as: %s", sum.Failed, sum.Error)
	}
	slices.Sort(sum.Times)
	return sample{
		Rate:   float64(sum.Done) / float64(r.opts.seconds),
		CPU:    perUnit(sum.CPU, int64(sum.Done)),
		P50:    percentile(sum.Times, 50),
		P99:    percentile(sum.Times, 99),
		Failed: float64(sum.Failed) / float64(sum.Failed+sum.Done),
	}
}

// libraryURL is that of the role whose connections are limited, which it makes
// if it is not there.
func (r *rig) libraryURL(ctx context.Context) (string, error) {
	conn, err := pgx.Connect(ctx, r.server.URL())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	sql := fmt.Sprintf(`do $$ begin
		if not exists (select from pg_roles where rolname = '%[1]s') then
			create role %[1]s login password '%[1]s' connection limit %[2]d;
			grant select on pgbench_accounts to %[1]s;
		end if;
	end $$`, libraryRole, libraryLimit)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return "", err
	}
	u, err := url.Parse(r.server.URL())
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(libraryRole, libraryRole)
	return u.String(), nil
}

// worker is one of the programs that ask.
type worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// hire starts a program and waits until it is ready. The caller calls end.
func hire(pool, dsn string, goroutines, seconds int) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, workerCommand, "-pool", pool, "-url", dsn, "-size", strconv.Itoa(librarySize),
		"-goroutines", strconv.Itoa(goroutines), "-seconds", strconv.Itoa(seconds))
	cmd.Env, cmd.Stderr, cmd.WaitDelay = environment(), os.Stderr, time.Second
	w := &worker{cmd: cmd}
	if w.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := w.out.ReadString('\n'); err != nil {
		w.end()
		return nil, fmt.Errorf("a program with %s did not start: %w", pool, err)
	}
	return w, nil
}

// work has the program begin, and returns what it has done.
func (w *worker) work() (done worked, err error) {
	if _, err := io.WriteString(w.in, "go\n"); err != nil {
		return done, err
	}
	return done, json.NewDecoder(w.out).Decode(&done)
}

// end kills the program if it has not ended, and waits for it.
func (w *worker) end() {
	if w == nil {
		return
	}
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait() // what counts has been read
}
