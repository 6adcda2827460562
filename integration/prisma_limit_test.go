// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// The case for which weir was made: forty instances of a client, each with a
// pool of five that it keeps, as functions do that wait for their next request,
// and a build that migrates, all on a role with CONNECTION LIMIT 5.
func TestPrismaTooManyConnectionsForARole(t *testing.T) {
	t.Parallel()
	// A login that is refused has taken one of the server's places until then.
	server := testpg.New(t, pgserver.Options{Settings: map[string]string{"max_connections": "300"}}).URL()
	direct := stormOn(t, server, func(g ground) string { return g.url })
	if direct.failed["P2037"] <= stormy/2 {
		t.Errorf("directly %d of %d operations failed with P2037, want most of them", direct.failed["P2037"], stormy)
	}
	through := stormOn(t, server, func(g ground) string { return open(t, g.url).url })
	if through.done != stormy || through.migration != nil {
		t.Errorf("through weir %d of %d operations succeeded, want all; the others: %v; migrate deploy: %v",
			through.done, stormy, through.failed, through.migration)
	}
	t.Logf("40 clients with pools of 5 and `prisma migrate deploy`, role with CONNECTION LIMIT 5")
	t.Logf("directly:     %v", direct)
	t.Logf("through weir: %v", through)
}

const (
	stormProcesses = 4
	stormInstances = 10 // of each process
	stormTimes     = 18 // operations of each instance
	stormy         = stormProcesses * stormInstances * stormTimes
)

// storm is what came of it.
type storm struct {
	done      int
	failed    map[string]int // number of operations by Prisma's code
	migration error          // of the build
}

func (s storm) String() string {
	text := fmt.Sprintf("%d of %d operations succeeded", s.done, stormy)
	for _, code := range slices.Sorted(maps.Keys(s.failed)) {
		text += fmt.Sprintf(", %d failed with %s", s.failed[code], code)
	}
	if s.migration != nil {
		return text + ", the migration failed"
	}
	return text + ", the migration succeeded"
}

// stormOn lets a storm loose on what at says of a ground of its own.
func stormOn(t *testing.T, server string, at func(ground) string) storm {
	t.Helper()
	g := freshOn(t, server, "connection limit 5")
	p := newPrisma(t)
	if _, err := p.cli(t.Context(), withSchema(t, g.url, "public"), "migrate", "deploy"); err != nil {
		t.Fatal(err)
	}
	p.migration(t, "20260103000000_more", "create table more ()")
	url := at(g)

	processes := make([]*stormProcess, stormProcesses)
	for i := range processes {
		processes[i] = p.storm(t, url)
	}
	var result storm
	public := withSchema(t, url, "public")
	tallies := make([]map[string]int, stormProcesses)
	err := together(stormProcesses+1, func(i int) (err error) {
		if i == stormProcesses {
			_, result.migration = p.cli(t.Context(), public, "migrate", "deploy")
			return nil
		}
		tallies[i], err = processes[i].tally()
		return err
	})
	for _, process := range processes {
		err = errors.Join(err, process.leave())
	}
	if err != nil {
		t.Fatal(err)
	}
	result.count(tallies)
	return result
}

func (s *storm) count(tallies []map[string]int) {
	s.failed = map[string]int{}
	for _, tally := range tallies {
		for code, n := range tally {
			s.failed[code] += n
		}
	}
	s.done = s.failed["done"]
	delete(s.failed, "done")
}

// stormProcess is a Node process with some instances.
type stormProcess struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer
}

func (p prisma) storm(t *testing.T, url string) *stormProcess {
	t.Helper()
	s := &stormProcess{cmd: p.command(t.Context(), url, p.script, "storm", strconv.Itoa(stormInstances), strconv.Itoa(stormTimes))}
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdin, s.stdout, s.cmd.Stderr = stdin, bufio.NewReader(stdout), &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// tally waits until all operations have ended.
func (s *stormProcess) tally() (tally map[string]int, err error) {
	line, err := s.stdout.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("client.mjs storm: %w\n%.4000s", err, &s.stderr)
	}
	return tally, json.Unmarshal(line, &tally)
}

// leave ends the process, which kept its connections until now.
func (s *stormProcess) leave() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}
