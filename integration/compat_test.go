// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// script is what one client sends. The same goes to PostgreSQL directly and
// through weir, and every message that comes back has to be the same, to the
// last field of an error.
type script struct {
	name  string
	setup string // SQL that makes the tables anew
	as    string // what the client adds to its URL
	steps []step

	// differs says why the answers through weir are others, "" where they may
	// not be. One that is the same after all fails, so that this list is true.
	differs string
}

// step is one write and the answers to wait for.
type step struct {
	send  messages
	until byte // the type to wait for
	n     int  // how often
}

// group is a step that n ReadyForQuery end.
func group(n int, parts ...any) step { return step{join(parts...), 'Z', n} }

// upTo is a step after which the answers have not ended: the last one so far
// is of type typ.
func upTo(typ byte, parts ...any) step { return step{join(parts...), typ, 1} }

// play runs the script, and calls between before each step that begins outside
// a transaction.
func (s script) play(t *testing.T, p *peer, between func()) (lines []string) {
	t.Helper()
	for _, step := range s.steps {
		if p.status == 'I' {
			between()
		}
		if err := p.say(step.send...); err != nil {
			return append(lines, "the connection ended: "+ending(err))
		}
		lines = append(lines, "--")
		lines = append(lines, p.hear(step.until, step.n)...)
	}
	return lines
}

func scripts() []script {
	return slices.Concat(simpleScripts, extendedScripts, preparedScripts, aheadScripts, deallocateScripts, copyScripts, callScripts)
}

// TestScriptsGetTheSameAnswers runs each script directly; through weir where
// each of its transactions runs on another upstream than the one before; and
// through weir with few prepared statements allowed, beside other clients that
// use the same names.
func TestScriptsGetTheSameAnswers(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	juggled := open(t, g.url, "DATABASE_POOL_MAX=2")
	crowded := open(t, g.url, "DATABASE_POOL_MAX=2", "WEIR_POOL_MAX_PREPARED_STATEMENTS=3")
	strangers(t, crowded.url)

	for _, s := range scripts() {
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			s.again(t, g)
			want := s.play(t, dial(t, g.url+s.as), func() {})

			s.again(t, g)
			j := newJuggler(t, juggled.url)
			same := s.compare(t, "juggled", s.play(t, dial(t, juggled.url+s.as), j.next), want)
			j.leave()

			s.again(t, g)
			same = s.compare(t, "crowded", s.play(t, dial(t, crowded.url+s.as), func() {}), want) && same
			if s.differs != "" && same {
				t.Errorf("the answers are the same, but are listed as different: %s", s.differs)
			}
		})
	}
}

// again makes the script's tables anew.
func (s script) again(t *testing.T, g ground) {
	t.Helper()
	if s.setup != "" {
		testpg.Exec(t, g.url, s.setup)
	}
}

// compare reports the first difference, unless there may be one, and whether
// there is none.
func (s script) compare(t *testing.T, how string, got, want []string) (same bool) {
	t.Helper()
	same = slices.Equal(got, want)
	if same || s.differs != "" {
		return same
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	t.Errorf("%s: message %d through weir is\n%s\ndirectly it is\n%s\nbefore it came\n%s",
		how, i, at(got, i), at(want, i), strings.Join(want[max(0, i-6):i], "\n"))
	return false
}

func at(lines []string, i int) string {
	if i == len(lines) {
		return "(nothing)"
	}
	return lines[i][:min(len(lines[i]), 2000)]
}
