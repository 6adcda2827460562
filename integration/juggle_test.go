// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// juggler makes sure that a client of a pool of two never gets the same
// upstream twice in a row. Its two hands hold one upstream each, inside
// transactions, and open in turn. While a hand holds an upstream, it leaves
// statements of its own there, under the names that scripts use.
type juggler struct {
	t     *testing.T
	hands [2]*peer
	turns int
}

func newJuggler(t *testing.T, url string) *juggler {
	t.Helper()
	j := &juggler{t: t}
	for i := range j.hands {
		j.hands[i] = dial(t, url)
		j.hold(i)
	}
	// next takes what is open now, and opens the other.
	j.open(0)
	return j
}

// next closes the open hand around the upstream that was used last and opens
// the other.
func (j *juggler) next() {
	j.t.Helper()
	i := j.turns % 2
	j.turns++
	j.hold(i)
	j.open(1 - i)
}

// intruderNames are the names that the scripts use.
var intruderNames = []string{"", "s0", "s1"}

func (j *juggler) hold(i int) {
	j.t.Helper()
	j.ask(i, query("begin"))
	for _, name := range intruderNames {
		sql := fmt.Sprintf("select 'intruder %d %d %s'", i, j.turns, name)
		j.ask(i, forget(name), parse(name, sql), bind("", name), execute("", 0), endGroup)
	}
}

func (j *juggler) open(i int) { j.t.Helper(); j.ask(i, query("commit")) }

func (j *juggler) ask(i int, parts ...any) {
	j.t.Helper()
	if _, err := j.hands[i].ask(join(parts...)...); err != nil {
		j.t.Fatalf("a client that keeps an upstream busy: %v", err)
	}
}

func (j *juggler) leave() {
	for _, hand := range j.hands {
		hand.leave()
	}
}

// strangers is traffic on a pool until the test ends: clients that use the
// names of the scripts for statements of their own, and check that they get
// those.
func strangers(t *testing.T, url string) {
	t.Helper()
	stop := make(chan struct{})
	var done sync.WaitGroup
	for i := range 3 {
		p := dial(t, url)
		done.Go(func() {
			defer p.leave()
			for turn := 0; ; turn++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := p.stray(i, turn); err != nil {
					t.Errorf("a client beside the script: %v", err)
					return
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); done.Wait() })
}

// stray prepares a statement under each name in one group and runs it in the
// next, on whatever upstream that gets.
func (p *peer) stray(client, turn int) error {
	for _, name := range intruderNames {
		text := fmt.Sprintf("client %d turn %d %s", client, turn%7, name)
		if _, err := p.ask(forget(name), parse(name, "select "+pgx.Identifier{text}.Sanitize()+" from (select '"+text+"') as t("+pgx.Identifier{text}.Sanitize()+")"), endGroup); err != nil {
			return err
		}
		lines, err := p.ask(join(once(name), endGroup)...)
		if err != nil {
			return err
		}
		want := `{"Type":"DataRow","Values":[{"text":"` + text + `"}]}`
		if len(lines) != 4 || lines[1] != want {
			return fmt.Errorf("statement %q gave %q, want %s", name, lines, want)
		}
	}
	return nil
}
