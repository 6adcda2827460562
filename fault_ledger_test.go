// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// outcome is what a client knows of one of its writes.
type outcome uint8

const (
	unanswered outcome = iota // the client still waits
	done                      // acknowledged: it is there, once
	refused                   // an error that says that it did not happen: it is not there
	unknown                   // 08007: it is there once, or not
)

func (o outcome) String() string {
	return [...]string{"unanswered", "done", "refused", "unknown"}[o]
}

// books are the tables that the clients of a fault write to and read. No
// constraint hides what is applied twice.
const books = `create table entries (client int, n int, part int);
create table counters (client int, side int, n int, primary key (client, side));
insert into counters select client, side, 0 from generate_series(0, 99) client, generate_series(0, 1) side;
create table stock as select n as id, n * 7 as amount from generate_series(0, 99) n;
alter table stock add primary key (id);
analyze counters, stock`

// ledger is what one client noted of its operations: the outcome of each, by
// number.
type ledger struct {
	job
	client int
	notes  []outcome
}

// count is how many writes had an outcome.
func (l *ledger) count(o outcome) (n int) {
	for _, note := range l.notes {
		if note == o {
			n++
		}
	}
	return n
}

// entry is one write as the table has it.
type entry struct{ client, n int }

// audit compares the ledgers with the tables of the server at url.
func audit(t *testing.T, url string, ledgers []*ledger) {
	t.Helper()
	rows, parts := map[entry]int{}, map[entry]int{}
	for _, row := range testpg.Exec(t, url, "select client, n, count(*), count(distinct part) from entries group by 1, 2") {
		e := entry{atoi(t, row[0]), atoi(t, row[1])}
		rows[e], parts[e] = atoi(t, row[2]), atoi(t, row[3])
	}
	counters := map[entry]int{}
	for _, row := range testpg.Exec(t, url, "select client, side, n from counters") {
		counters[entry{atoi(t, row[0]), atoi(t, row[1])}] = atoi(t, row[2])
	}
	for _, l := range ledgers {
		if l.parts == 0 {
			l.auditCounters(t, counters[entry{l.client, 0}], counters[entry{l.client, 1}])
			continue
		}
		for n, note := range l.notes {
			e := entry{l.client, n}
			if err := judge(note, l.parts, rows[e], parts[e]); err != nil {
				t.Errorf("client %d, write %d: %v", l.client, n, err)
			}
			delete(rows, e)
		}
	}
	for e, n := range rows {
		t.Errorf("%d rows of client %d's write %d, which is in no ledger", n, e.client, e.n)
	}
}

// judge says what is wrong with a write of so many parts of which there are so
// many rows, with so many different parts.
func judge(note outcome, want, rows, parts int) error {
	switch {
	case rows > parts:
		return fmt.Errorf("%v, and applied more than once: %d rows for %d parts", note, rows, want)
	case rows != 0 && rows != want:
		return fmt.Errorf("%v, and half of it is there: %d rows of %d", note, rows, want)
	case note == done && rows == 0:
		return errors.New("acknowledged and lost")
	case note == refused && rows != 0:
		return errors.New("refused, and yet it is there")
	case note == unanswered:
		return errors.New("never answered")
	}
	return nil
}

// auditCounters compares the writes of a client that adds one to a counter and
// takes one from another, in one transaction.
func (l *ledger) auditCounters(t *testing.T, up, down int) {
	t.Helper()
	least := l.count(done)
	if most := least + l.count(unknown); up < least || up > most {
		t.Errorf("client %d counted to %d, with %d acknowledged and %d unknown", l.client, up, least, most-least)
	}
	if up+down != 0 {
		t.Errorf("client %d has half a transaction: %d and %d", l.client, up, down)
	}
	if n := l.count(unanswered); n > 0 {
		t.Errorf("client %d: %d writes were never answered", l.client, n)
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTheLedgerFindsWhatIsWrong checks the checker.
func TestTheLedgerFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		note              outcome
		want, rows, parts int
		fine              bool
	}{
		{done, 2, 2, 2, true},
		{done, 2, 0, 0, false},
		{done, 2, 1, 1, false},
		{done, 2, 4, 2, false},
		{done, 2, 2, 1, false},
		{refused, 1, 0, 0, true},
		{refused, 1, 1, 1, false},
		{unknown, 2, 0, 0, true},
		{unknown, 2, 2, 2, true},
		{unknown, 2, 1, 1, false},
		{unknown, 1, 2, 1, false},
		{unanswered, 1, 0, 0, false},
	} {
		if err := judge(c.note, c.want, c.rows, c.parts); (err == nil) != c.fine {
			t.Errorf("%v, %d rows of %d, %d parts: %v", c.note, c.rows, c.want, c.parts, err)
		}
	}
}
