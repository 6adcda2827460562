// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
)

// Databases is all pools of one server, as a client sees them that makes, drops
// or renames a database there. Both methods may be called from any goroutine,
// and do not block.
type Databases interface {
	// Vacate closes the idle connections to the database, and for a while keeps
	// none: PostgreSQL refuses the statement while anybody is connected
	// (CountOtherDBBackends).
	Vacate(name string)

	// Renew ends what Vacate began, and forgets what is known of the database: it
	// may be new, or gone.
	Renew(name string)
}

// aboutDatabases are the kinds of statements for which databases may have to be
// free.
const aboutDatabases = 1<<sqltext.CreateDatabase | 1<<sqltext.AlterDatabase | 1<<sqltext.DropDatabase

// databasesIn lists those databases.
func databasesIn(text []byte) []string {
	names := sqltext.Databases(text)
	for i := range names {
		names[i] = strings.Clone(names[i]) // the text is in a buffer
	}
	return names
}

// vacate frees databases for a statement that is about to be sent.
func (x *exchange) vacate(names []string) {
	for _, name := range names {
		if !slices.Contains(x.vacated, name) {
			x.vacated = append(x.vacated, name)
		}
		x.pool().options.Load().Databases.Vacate(name)
	}
}

// occupy lets others back into the databases that were freed, once no statement
// that needs it is under way. A rename takes effect when its transaction ends.
func (x *exchange) occupy() {
	for _, name := range x.vacated {
		x.pool().options.Load().Databases.Renew(name)
	}
	x.vacated = nil
}

// Vacate closes the pool's idle connections, and for a while keeps none.
func (p *Pool) Vacate() {
	p.conns.Vacate()
	p.hub.Vacate()
}

// Renew forgets what is known of the pool's database: whether it exists, and
// what it greets clients with.
func (p *Pool) Renew() {
	p.mu.Lock()
	clear(p.welcomes)
	p.mu.Unlock()
	p.conns.Recycle()
}
