// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// line is one effective value and where it came from.
type line struct {
	Setting string `json:"setting"`
	Value   any    `json:"value"`
	Source  string `json:"source"`

	text string // Value as a table shows it
}

// WriteTable writes every effective setting as a table: key, value and source
// ("default", "env DATABASE_POOL_MAX", "flag --pool-max" or "weir.toml:12").
// Secrets are masked.
func (c *Config) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, one := range c.lines() {
		fmt.Fprintf(t, "%s\t%s\t%s\n", one.Setting, one.text, one.Source)
	}
	return t.Flush()
}

// WriteJSON writes the same as an array of objects with setting, value and
// source. Durations are text such as "30s", sizes are bytes.
func (c *Config) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(c.lines())
}

func (c *Config) lines() []line {
	list := linesOf(nil, c, settings, c, "")
	for _, d := range c.Databases {
		prefix := dotted([]string{"databases", d.Name}) + "."
		list = append(list, c.owner(prefix))
		list = linesOf(list, c, databaseSettings, &d, prefix)
		list = linesOf(list, c, d.pool.rows(), d.pool.over(), prefix)
	}
	for _, u := range c.Users {
		prefix := dotted([]string{"users", u.Name}) + "."
		list = append(list, c.owner(prefix))
		list = linesOf(list, c, userSettings, &u, prefix)
		list = linesOf(list, c, u.pool.rows(), u.pool.over(), prefix)
	}
	return list
}

// owner is the line that says that a database or user is there.
func (c *Config) owner(prefix string) line {
	key := strings.TrimSuffix(prefix, ".")
	return line{key, true, c.origins[key].String(), "true"}
}

// linesOf adds the settings of owner to list. Of a database or user, which have
// a prefix, only those that are set.
func linesOf[C any](list []line, c *Config, rows []setting[C], owner *C, prefix string) []line {
	for _, s := range rows {
		from, set := c.origins[prefix+s.key]
		if !set && prefix != "" {
			continue
		}
		text := s.show(owner)
		list = append(list, line{prefix + s.key, jsonOf(s.value(owner), text), from.String(), text})
	}
	return list
}

// jsonOf is the value where JSON has a form for it, else text, with secrets masked.
func jsonOf(value any, text string) any {
	switch value := value.(type) {
	case int, int64, bool, []string:
		return value
	}
	return text
}
