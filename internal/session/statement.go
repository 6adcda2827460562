// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"crypto/rand"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/upstream"
)

const (
	// sharedText is the longest text that the dictionary shares between clients.
	sharedText = 64 << 10 // 64 KiB

	// statementSize is about what a statement takes beside its text: many short
	// texts must not escape the bounds.
	statementSize = 256 // 256 bytes

	// dictionaryIdle is how many bytes of statements the dictionary keeps that
	// no client has prepared at the moment, so that a client which prepares,
	// runs and forgets costs no memory each time.
	dictionaryIdle = 16 << 20 // 16 MiB
)

// namePrefix begins every name that weir gives to a statement or a portal on an
// upstream. It is made up anew in each process: what programs call theirs, weir_1 for
// one, is not weir's by accident. Only who reads pg_prepared_statements knows a name
// of weir's. See reserved.
var namePrefix = "weir_" + strings.ToLower(rand.Text()[:8]) + "_"

// statement is a prepared statement as the dictionary knows it.
type statement struct {
	upstream.Statement

	kind    sqltext.Kind // of a single statement; what has to be noticed when it runs
	effect  effect       // what it may leave behind when it runs
	meaning string       // the settings that change what the text means
	quoting quoting      // how PostgreSQL may read it
	key     string       // what counts of the text; see keyOf
	hash    uint64
	schema  uint64                // the count of changes of the schema when it was made
	shows   bool                  // it may return its own text, with its comments
	alone   bool                  // one client's own: nobody else ever uses it
	charged bool                  // its bytes are in the dictionary's held as long as a client has it
	unseen  bool                  // too long to be kept: only the upstream it was sent to has it
	proven  atomic.Bool           // PostgreSQL has accepted it
	found   atomic.Pointer[found] // its effect with that of the routines of the pool that ran it last

	targetName string // a name that the client uses twice

	// targets are the statements that it executes as they were when it was prepared, by
	// the client's names: what it returns is that of these. It is alone then.
	targets []upstream.Statement

	// Guarded by the dictionary's mu.
	shared     bool       // it is in the dictionary
	clients    int        // how many prepared it
	next, prev *statement // its place among those with no client; nil where it has one
}

// size is what a client that holds the statement is charged, in bytes.
func (s *statement) size() int {
	size := statementSize + len(s.Text) + len(s.OIDs)
	if len(s.key) != len(s.Text) {
		size += len(s.key)
	}
	for i := range s.targets {
		size += statementSize + len(s.targets[i].Text) + len(s.targets[i].OIDs)
	}
	return size
}

// Dictionary finds the one statement for a text, its parameter types and the
// settings that change its meaning, whoever prepares it under whatever name.
type Dictionary struct {
	// Fixed before the first client.
	seed     maphash.Seed
	declared declared

	// schema counts the changes of the schema that weir has seen. A statement
	// that was prepared before one may have other types now, so whoever prepares
	// its text after gets a new one.
	schema atomic.Uint64

	// clock counts what clients have named: what an upstream has is older or
	// newer than a client's statement by it.
	clock atomic.Uint64

	held  atomic.Int64 // bytes of the statements that clients have; changed under mu
	limit atomic.Int64 // on held
	// defined has those of them after which the catalogs of pools may be out of date.
	defined routine.History

	mu       sync.Mutex
	entries  map[uint64][]*statement // guarded by mu; by hash
	idle     statement               // guarded by mu; the ring of those with no client: next is the latest
	idleSize int                     // guarded by mu; bytes of the statements in idle
	last     uint64                  // guarded by mu; the number in the newest name
}

// NewDictionary returns an empty dictionary.
func NewDictionary() *Dictionary {
	d := &Dictionary{seed: maphash.MakeSeed(), entries: make(map[uint64][]*statement)}
	d.idle.next, d.idle.prev = &d.idle, &d.idle
	return d
}

// intern returns the statement for text and oids under the settings named by
// meaning, which PostgreSQL may read in that way, charged to one more client until
// release.
func (d *Dictionary) intern(text, oids []byte, meaning string, r quoting) *statement {
	return d.internAs(keyOf(text), text, oids, meaning, r)
}

// internWhole is intern for a statement that may read its own text: all of that counts.
func (d *Dictionary) internWhole(text, oids []byte, meaning string, r quoting) *statement {
	return d.internAs(nil, text, oids, meaning, r)
}

// internAs is intern for a text of which the key counts, or, without one, the whole.
func (d *Dictionary) internAs(key, text, oids []byte, meaning string, r quoting) *statement {
	if len(text) > sharedText {
		return d.private(text, oids, meaning, r)
	}
	var h maphash.Hash
	whole := key == nil
	if whole {
		key = text
	}
	h.SetSeed(d.seed)
	_, _ = h.Write(key)
	_, _ = h.Write(oids)
	_, _ = h.WriteString(meaning)
	_ = h.WriteByte(byte(r))
	hash := h.Sum64()

	schema := d.schema.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.entries[hash] {
		if s.schema == schema && s.key == string(key) && s.OIDs == string(oids) && s.meaning == meaning && s.quoting == r &&
			(!whole || s.Text == s.key) { // a text with an empty comment is the key of others
			d.holdLocked(s)
			return s
		}
	}
	s := d.newLocked(text, oids, meaning, r)
	s.hash, s.schema, s.shared = hash, schema, true
	if s.key = s.Text; len(key) != len(text) {
		s.key = string(key)
	}
	d.chargeLocked(s)
	d.entries[hash] = append(d.entries[hash], s)
	return s
}

// keyOf returns what counts of a text: programs put what differs with each request
// into its comments (traceparent, the name of a route), which PostgreSQL does not
// read. It is the text itself where nothing has to be left out.
func keyOf(text []byte) []byte {
	if key, ok := sqltext.AppendWithoutComments(nil, text); ok {
		return key
	}
	return text
}

// showsText reports whether something of PostgreSQL's own that a text mentions may
// show the text itself, or a name in it cannot be read.
func showsText(text []byte) bool {
	if !bytes.Contains(text, []byte("/*")) && !bytes.Contains(text, []byte("--")) {
		return false // none is like it that is not the same
	}
	words, ok := sqltext.Words(text)
	return !ok || slices.ContainsFunc(words, routine.ShowsText)
}

// private returns a statement for one client alone, charged to it until release.
func (d *Dictionary) private(text, oids []byte, meaning string, r quoting) *statement {
	s := d.passing(text, oids, meaning, r)
	d.charge(s)
	return s
}

// charge charges a client with what passing has returned.
func (d *Dictionary) charge(s *statement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chargeLocked(s)
}

// passing returns a statement for one Bind, charged to nobody.
func (d *Dictionary) passing(text, oids []byte, meaning string, r quoting) *statement {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.newLocked(text, oids, meaning, r)
	s.alone, s.key, s.schema = true, s.Text, d.schema.Load()
	return s
}

// chargeLocked counts the bytes of a statement that a client has now.
func (d *Dictionary) chargeLocked(s *statement) {
	s.charged = true
	d.held.Add(int64(s.size()))
}

// tooMuch reports whether, with s, which a client has been charged with, the
// statements of all clients take more than they may. One that others have takes
// nothing.
func (d *Dictionary) tooMuch(s *statement) bool {
	limit := d.limit.Load()
	if limit == 0 || d.held.Load() <= limit {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return s.clients == 1
}

// copyOf returns a statement like st for one client alone.
func (d *Dictionary) copyOf(st *statement) *statement {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &statement{
		Statement: upstream.Statement{Name: d.nameLocked(), Text: st.Text, OIDs: st.OIDs},
		kind:      st.kind,
		shows:     st.shows,
		effect:    st.effect,
		meaning:   st.meaning,
		quoting:   st.quoting,
		key:       st.Text,
		targets:   st.targets,
		alone:     true,
		clients:   1,
	}
	d.chargeLocked(s)
	return s
}

// nameLocked returns a name that no statement has had.
func (d *Dictionary) nameLocked() string {
	d.last++
	return namePrefix + strconv.FormatUint(d.last, 36)
}

func (d *Dictionary) newLocked(text, oids []byte, meaning string, r quoting) *statement {
	s := &statement{
		Statement: upstream.Statement{
			Name: d.nameLocked(),
			Text: string(text),
			OIDs: string(oids),
		},
		effect:  d.declared.effectOf(text, r),
		meaning: meaning,
		quoting: r,
		clients: 1,
	}
	s.effect.addTypes(oids)
	if s.effect.hinges&r == 0 {
		s.kind = sqltext.First(text).Kind
	}
	s.shows = showsText(text)
	return s
}

// hold charges s to one more client.
func (d *Dictionary) hold(s *statement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holdLocked(s)
}

func (d *Dictionary) holdLocked(s *statement) {
	s.clients++
	if s.next != nil {
		d.unlinkLocked(s)
		d.chargeLocked(s)
	}
}

// unlinkLocked takes s out of the ring of those with no client.
func (d *Dictionary) unlinkLocked(s *statement) {
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
	d.idleSize -= s.size()
}

// release gives back what intern or hold charged. A nil s is allowed.
func (d *Dictionary) release(s *statement) {
	if s == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.clients--; s.clients > 0 {
		return
	}
	if s.charged {
		d.held.Add(-int64(s.size()))
		s.charged = false
	}
	if !s.shared {
		return
	}
	s.prev, s.next = &d.idle, d.idle.next
	s.prev.next, s.next.prev = s, s
	d.idleSize += s.size()
	for d.idleSize > dictionaryIdle {
		d.dropLocked(d.idle.prev)
	}
}

// retire has whoever prepares the text of s from now on get another statement.
// Those who have s keep it.
func (d *Dictionary) retire(s *statement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !s.shared {
		return
	}
	if s.next != nil {
		d.unlinkLocked(s)
	}
	d.removeLocked(s)
	s.shared = false
}

// dropLocked forgets a statement that no client holds.
func (d *Dictionary) dropLocked(s *statement) {
	d.unlinkLocked(s)
	d.removeLocked(s)
}

// removeLocked takes s out of the entries.
func (d *Dictionary) removeLocked(s *statement) {
	same := d.entries[s.hash]
	for i := range same {
		if same[i] == s {
			same[i] = same[len(same)-1]
			same = same[:len(same)-1]
			break
		}
	}
	if len(same) == 0 {
		delete(d.entries, s.hash)
		return
	}
	d.entries[s.hash] = same
}
