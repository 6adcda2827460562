// SPDX-License-Identifier: Apache-2.0

package weir

// ReadLimits reads PostgreSQL's limits again.
func (g *Gateway) ReadLimits() { g.engine.ReadLimits() }

// AgeCatalogs has what is known of the databases' routines be old.
func (g *Gateway) AgeCatalogs() { g.engine.AgeCatalogs() }
