// SPDX-License-Identifier: Apache-2.0

package config

// origin is where a value came from. The zero value is the default.
type origin struct {
	source string // "flag", "env", or the file with the line: "weir.toml:12"
	name   string // as written there: "--pool-max", "DATABASE_POOL_MAX", "pool.max"
}

// String returns "default", "flag --pool-max", "env DATABASE_POOL_MAX" or "weir.toml:12".
func (o origin) String() string {
	switch o.source {
	case "":
		return "default"
	case "flag", "env":
		return o.source + " " + o.name
	}
	return o.source
}

// where is String for a mistake, in which a default goes by its key.
func (o origin) where(key string) string {
	if o.source == "" {
		return key
	}
	return o.String()
}

// inFile returns the name if String does not have it.
func (o origin) inFile() string {
	if o.source == "" || o.source == "flag" || o.source == "env" {
		return ""
	}
	return o.name
}
