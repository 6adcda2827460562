// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/wire"
)

// catalog is what a pool knows of the routines of its database, and of what calls
// them. It is read with the first login's questions, and again where it has
// changed: after a transaction of weir's clients that may have changed the schema,
// and every few seconds for what others do: when an upstream is let go of, and where
// nobody has done that for a while, in front of what a client sends.
type catalog struct {
	current  atomic.Pointer[routine.Catalog] // nil where no statement has to be looked at
	whole    atomic.Pointer[routine.Catalog] // the same, but nil only where nothing was read
	newest   atomic.Uint32                   // the highest oid of a type when it was read
	tempPath atomic.Bool                     // a session begins with pg_temp in its search_path
	schema   atomic.Uint64                   // the dictionary's count of changes when it was read
	next     atomic.Int64                    // when it has to be looked at again, in nanoseconds of Unix time; 0 before the first time

	// busy is set by who reads it, to whom the rest belongs.
	busy  atomic.Bool
	print string                  // of what was read
	names string                  // of what names in a text may stand for
	codes map[string]knownRoutine // by oid
}

// knownRoutine is a routine whose body was read.
type knownRoutine struct {
	xmin string // with the row that was read
	code routine.Code
}

const (
	// catalogEvery is how often the catalog is looked at for what others have
	// changed.
	catalogEvery = 5 * time.Second

	// catalogAhead is how much earlier it is read when an upstream is let go of, so
	// that nobody in a busy pool has it read in front of a statement.
	catalogAhead = time.Second

	// catalogShare bounds how much of the time of one connection that takes.
	catalogShare = 100

	// mostRoutines and longestBodies bound what is read. Beyond them, any statement
	// may leave anything that can be asked for.
	mostRoutines  = 20_000
	longestBodies = 32 << 20 // 32 MiB
)

// catalogDue reports whether the pool's catalog has to be looked at.
func (x *exchange) catalogDue() bool {
	c := &x.pool().catalog
	if !x.catalogStale() && x.meter.asked.UnixNano() < c.next.Load()-int64(catalogAhead) {
		return false
	}
	return !x.pool().sessionMode() && !c.busy.Load()
}

// catalogStale reports whether somebody has just changed what the catalog says, and
// the upstream at hand can be asked.
func (x *exchange) catalogStale() bool {
	c := &x.pool().catalog
	if x.s.pin != nil && x.synced && x.status == wire.Idle {
		x.ages(time.Now()) // it has its upstream for longer than a transaction
	}
	return (x.aged || c.schema.Load() != x.s.env.dictionary.defined.Count()) && (x.between() || x.onlyAhead()) && !c.busy.Load() && !x.pool().sessionMode()
}

// ages notes whether the pool's catalog is too old for the first statement on an
// upstream, or the next one of a pinned client: after a quiet time nobody has looked
// at it.
func (x *exchange) ages(now time.Time) { x.aged = x.pool().catalogOld(now) }

// catalogOld reports whether the catalog is older than it may be.
func (p *Pool) catalogOld(now time.Time) bool {
	next := p.catalog.next.Load()
	return next != 0 && now.UnixNano() >= next && !p.sessionMode()
}

// ageCatalog has the catalog be as old as it may get: it is read again before it is used.
func (p *Pool) ageCatalog() { p.catalog.next.Store(1) }

// readCatalog looks at the pool's catalog, and reads what is new in it. That is done once
// for a request: what others define meanwhile is allowed for, see lately.
func (x *exchange) readCatalog() {
	c := &x.pool().catalog
	if c.busy.Swap(true) {
		return
	}
	defer c.busy.Store(false)
	began, schema := time.Now(), x.s.env.dictionary.defined.Count()
	err := x.refreshCatalog(c)
	switch {
	case x.up == nil:
		return // the next upstream is asked
	case err != nil:
		x.s.env.log.Warn("PostgreSQL did not say what functions there are: any statement is taken to leave something behind", "pool", x.pool().name(), "error", err)
		c.print = ""
		c.current.Store(routine.Everything())
		c.whole.Store(nil)
	}
	x.aged, x.meter.looked = false, true
	c.schema.Store(schema)
	c.next.Store(time.Now().Add(max(catalogEvery, catalogShare*time.Since(began))).UnixNano())
}

// refreshCatalog reads the catalog if it has changed.
func (x *exchange) refreshCatalog(c *catalog) error {
	rows, err := x.rowsFrom(routine.PrintQuery)
	if err != nil {
		return err
	}
	newest, _ := strconv.ParseUint(rows["newest"], 10, 32)
	defer c.newest.Store(uint32(newest)) // not before these types are known
	c.tempPath.Store(namesTemp(rows["path"]))
	if c.names != rows["names"] && c.names != "" {
		x.s.env.dictionary.schema.Add(1) // what is prepared from now on may mean something else than before
	}
	c.names = rows["names"]
	rows["print"] += rows["names"]
	count, _ := strconv.Atoi(rows["routines"])
	bytes, _ := strconv.Atoi(rows["bytes"])
	switch {
	case rows["print"] == c.print && c.print != "":
		return nil
	case count > mostRoutines || bytes > longestBodies:
		c.print, c.codes = rows["print"], nil
		c.current.Store(routine.Everything())
		c.whole.Store(nil)
		return nil
	}
	made, err := x.buildCatalog(c)
	if err != nil {
		return err
	}
	c.print = rows["print"]
	c.whole.Store(made)
	if made.Empty() {
		made = nil
	}
	c.current.Store(made)
	return nil
}

// buildCatalog reads the routines that are new, and then what calls them.
func (x *exchange) buildCatalog(c *catalog) (*routine.Catalog, error) {
	rows, err := x.rowsFrom(routine.RoutinesQuery)
	if err != nil {
		return nil, err
	}
	var b routine.Builder
	codes := make(map[string]knownRoutine, len(rows))
	list := make(map[string]routine.Listed, len(rows))
	var unread []string
	for oid, row := range rows {
		l, ok := routine.ParseListed(row)
		if !ok {
			continue
		}
		list[oid] = l
		if known, ok := c.codes[oid]; ok && known.xmin == l.Version {
			codes[oid] = known
		} else if l.Readable() {
			unread = append(unread, oid)
		} else {
			codes[oid] = knownRoutine{l.Version, l.Code()}
		}
	}
	if err := x.readBodies(codes, list, unread); err != nil {
		return nil, err
	}
	c.codes = codes
	for oid, l := range list {
		code := codes[oid].code
		if namesTemp(l.Config) {
			code.Effect = code.With(routine.Effect{Leaves: routine.Locals}) // for what it calls, too
		}
		b.Add(l.Name, code)
	}
	callers, err := x.rowsFrom(routine.CallersQuery)
	for _, row := range callers {
		if name, called, ok := strings.Cut(row, routine.Separator); ok {
			b.Calls(name, called)
		}
	}
	return b.Catalog(), err
}

// bodiesAtOnce bounds the routines whose bodies are asked for in one query.
const bodiesAtOnce = 200

// readBodies reads the bodies of some routines, in pieces.
func (x *exchange) readBodies(codes map[string]knownRoutine, list map[string]routine.Listed, oids []string) error {
	for len(oids) > 0 {
		some := oids[:min(bodiesAtOnce, len(oids))]
		oids = oids[len(some):]
		pieces, err := x.rowsFrom(routine.BodiesQuery(some))
		if err != nil {
			return err
		}
		for _, oid := range some {
			var body strings.Builder
			for i := 0; ; i++ {
				piece, ok := pieces[oid+"/"+strconv.Itoa(i)]
				if !ok {
					break
				}
				body.WriteString(piece)
			}
			codes[oid] = knownRoutine{list[oid].Version, routine.Read(list[oid].Language, body.String())}
		}
	}
	return nil
}
