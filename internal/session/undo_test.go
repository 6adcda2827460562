// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// sendUnnamed brings the books forward as for a message that changes the unnamed
// statement: a Parse of the text, a Close for "".
func (x *exchange) sendUnnamed(text string) {
	if text == "" {
		x.due.push(answer{kind: 'C', unnamed: true})
		x.s.assumeUnnamed(nil)
		return
	}
	st := x.s.env.dictionary.intern([]byte(text), noOIDs, "", 0)
	x.due.push(answer{kind: 'P', unnamed: true, st: st})
	x.s.assumeUnnamed(st)
}

// TestUndoOfTheUnnamedStatement compares with what PostgreSQL does, of which
// model is all there is: groups are sent ahead, and of some a message fails.
func TestUndoOfTheUnnamedStatement(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		x := &exchange{s: newClient(), up: &Upstream{}}
		model, sent := "", [][]string{}
		for range 8 {
			var group []string
			for range r.IntN(4) {
				text := ""
				if r.IntN(4) > 0 {
					text = fmt.Sprint("select ", r.IntN(3))
				}
				group = append(group, text)
				x.sendUnnamed(text)
			}
			x.pushSync(answer{kind: 'S'})
			sent = append(sent, group)
		}
		for _, group := range sent {
			fails := -1
			if r.IntN(2) == 0 && len(group) > 0 {
				fails = r.IntN(len(group))
			}
			for i, text := range group {
				if i == fails {
					if x.due.first().kind == 'P' {
						model = ""
					}
					x.failed()
					break
				}
				model = text
				x.succeeded()
			}
			x.s.over = x.due.first().span + 1
			x.due.pop()
			if got := textOf(x.s.confirmed); got != model {
				t.Fatalf("seed %d: the unnamed statement is %q, want %q", seed, got, model)
			}
		}
		if got := textOf(x.s.unnamed); got != model {
			t.Fatalf("seed %d: in the end it is %q, want %q", seed, got, model)
		}
		x.s.checkCharges(t)
	}
}

func textOf(st *statement) string {
	if st == nil {
		return ""
	}
	return st.Text
}
