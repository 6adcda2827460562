// SPDX-License-Identifier: Apache-2.0

package gateway

import "github.com/weir-pg/weir/internal/session"

// neighbours are the pools of one server: it is what they have as
// session.Databases. A client of one pool may drop the database of another.
type neighbours struct {
	g       *Gateway
	address string
}

// Vacate is part of session.Databases.
func (n *neighbours) Vacate(name string) { n.each(name, (*session.Pool).Vacate) }

// Renew is part of session.Databases.
func (n *neighbours) Renew(name string) {
	n.each(name, (*session.Pool).Renew)
	select {
	case n.g.dropped <- struct{}{}:
	default: // sweep has not looked since the last one
	}
}

// each calls f for the pools of a database, whatever clients call it.
func (n *neighbours) each(name string, f func(*session.Pool)) {
	for _, d := range n.g.databases() {
		if d.target.Address() == n.address && d.target.Database() == name {
			f(d.pool)
		}
	}
}
