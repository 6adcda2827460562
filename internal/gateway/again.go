// SPDX-License-Identifier: Apache-2.0

package gateway

// ReadLimits reads PostgreSQL's limits again, for all pools, as is done once a minute.
// Tests call it, which do not wait so long.
func (g *Gateway) ReadLimits() {
	for _, l := range g.allLimits() {
		l.again()
	}
}

// AgeCatalogs has what all pools know of their databases' routines be as old as it may
// get, so that they read it again before they are used. Tests call it.
func (g *Gateway) AgeCatalogs() {
	for _, d := range g.databases() {
		d.pool.AgeCatalog()
	}
}
