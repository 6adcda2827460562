// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
)

// sslModes is libpq's (documentation, 34.19.3).
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// foreign is the parameters of a URL that some client or pool understands and
// PostgreSQL does not, each with what weir does instead. PostgreSQL would refuse
// a login with any of them.
var foreign = map[string]string{
	// Prisma (documentation, "PostgreSQL: Configuration options").
	"schema":                       "each client's own search_path counts",
	"connection_limit":             "pool.max (DATABASE_POOL_MAX) is the most connections weir opens per pool",
	"pool_timeout":                 "pool.acquire_timeout (DATABASE_POOL_ACQUIRE_TIMEOUT) is the most a request waits",
	"pgbouncer":                    "weir shares prepared statements between clients, so clients need no special mode",
	"statement_cache_size":         "pool.max_prepared_statements is what weir keeps per connection",
	"socket_timeout":               "pool.statement_timeout (DATABASE_STATEMENT_TIMEOUT) ends long statements",
	"max_idle_connection_lifetime": "pool.idle_timeout (DATABASE_POOL_IDLE_TIMEOUT) closes idle connections",
	"max_connection_lifetime":      "pool.lifetime replaces old connections",
	"single_use_connections":       "weir keeps its connections to PostgreSQL",
	"sslidentity":                  "weir reads no PKCS#12: give sslcert and sslkey as PEM files",

	// pgxpool.
	"pool_max_conns":                "pool.max (DATABASE_POOL_MAX) is the most connections weir opens per pool",
	"pool_min_conns":                "pool.min (DATABASE_POOL_MIN) is what weir keeps open",
	"pool_min_idle_conns":           "pool.min (DATABASE_POOL_MIN) is what weir keeps open",
	"pool_max_conn_lifetime":        "pool.lifetime replaces old connections",
	"pool_max_conn_lifetime_jitter": "pool.lifetime replaces old connections",
	"pool_max_conn_idle_time":       "pool.idle_timeout (DATABASE_POOL_IDLE_TIMEOUT) closes idle connections",
	"pool_health_check_period":      "pool.check_after is when weir tries an idle connection",
	"pool_ping_timeout":             "pool.connect_timeout bounds what weir waits",
	"default_query_exec_mode":       "it is each client's own",
	"statement_cache_capacity":      "pool.max_prepared_statements is what weir keeps per connection",
	"description_cache_capacity":    "it is each client's own",

	// node-postgres (pg-connection-string).
	"uselibpqcompat": "weir reads sslmode as libpq does",

	// libpq's own for which weir has nothing (documentation, 34.1.2); the others of
	// them are for package upstream.
	"client_encoding": "it is each client's own",
	"replication":     "weir does not forward replication yet",
	"hostaddr":        "weir looks the host name up",
	"requirepeer":     "weir does not check the user behind a Unix socket",
	"sslcrl":          "weir reads no revocation lists",
	"sslcrldir":       "weir reads no revocation lists",
}

// CleanURL returns a libpq URL or key=value string without the parameters that
// are meant for a client or its pool and that PostgreSQL would refuse. Those
// with a meaning for weir are translated. Each notice is a line for the log,
// free of secrets. The error says what is wrong with dsn and does not quote it.
func CleanURL(dsn string) (clean string, notices []string, err error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return "", nil, err
	}
	notices = d.translate()
	if mode := d.get("sslmode"); mode != "" && !slices.Contains(sslModes, mode) {
		return "", nil, fmt.Errorf("sslmode is %q: expected one of %s", mode, strings.Join(sslModes, ", "))
	}
	kept := d.params[:0:0]
	for _, p := range d.params {
		if instead, drop := foreign[p.key]; !drop {
			kept = append(kept, p)
		} else {
			notices = append(notices, "ignoring "+p.key+" in the URL of the upstream: "+instead)
		}
	}
	d.params = kept
	return d.String(), notices, nil
}

// translate gives parameters that have a meaning for weir libpq's names for it.
func (d *dsn) translate() (notices []string) {
	strict := d.get("sslaccept") == "strict" && d.get("sslmode") != "disable"
	identity := d.get("sslidentity") != ""
	root := (identity || d.get("sslaccept") != "") && d.get("sslkey") == ""
	say := func(as string) { notices = append(notices, "reading "+as) }

	kept := d.params[:0:0]
	for _, p := range d.params {
		switch {
		case p.key == "sslaccept", p.key == "sslpassword" && identity, p.key == "sslmode" && strict:
			continue
		case p.key == "sslcert" && root:
			say("sslcert in the URL of the upstream as sslrootcert, which is what Prisma means by it")
			p = p.rename("sslrootcert")
		case p.key == "sslmode" && p.value == "no-verify":
			say("sslmode=no-verify in the URL of the upstream as sslmode=require")
			p = plain("sslmode", "require")
		case p.key == "hostaddr" && d.get("host") == "" && !d.isURL:
			p = p.rename("host")
		}
		kept = append(kept, p)
	}
	if strict {
		say("sslaccept=strict in the URL of the upstream as sslmode=verify-full")
		kept = append(kept, plain("sslmode", "verify-full"))
	}
	d.params = kept
	return notices
}
