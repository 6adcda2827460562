// SPDX-License-Identifier: Apache-2.0

package upstream

import "github.com/jackc/pgx/v5/pgconn"

// SetLookup replaces how a target resolves names.
func SetLookup(t *Target, lookup pgconn.LookupFunc) { t.config.LookupFunc = lookup }
