// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// setting is a row of a table of settings: a value in C, its names and its help.
type setting[C any] struct {
	key     string   // in weir.toml; the flag and the WEIR_ variable follow from it
	aliases []string // other variables; the first that is set counts
	preset  string   // the default, as one would write it
	help    string   // one clause, for the flag and the documentation
	fixed   bool     // a reload does not change it
	cell[C]
}

// flag returns the flag's name without its dashes: pool.max is --pool-max.
func (s setting[C]) flag() string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.key)
}

// variables returns the environment variables, the one that wins first:
// pool.max is WEIR_POOL_MAX.
func (s setting[C]) variables() []string {
	name := "WEIR_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
	return append([]string{name}, s.aliases...)
}

// cell is a place in C that text can be read into.
type cell[C any] interface {
	// read returns what sets the value; ok is false if text is not as expected says.
	read(text string) (set func(*C), ok bool)
	show(c *C) string        // the value as text, secrets masked
	value(c *C) any          // the value itself, secrets and all
	mask(text string) string // text, however malformed, without its secrets
	expected() string
	kind() string
}

// slot is the cell that get points to.
type slot[C, T any] struct {
	of  kind[T]
	get func(*C) *T
}

// at returns the cell of the given kind that get points to.
func at[C, T any](of kind[T], get func(*C) *T) cell[C] {
	return slot[C, T]{of, get}
}

func (s slot[C, T]) read(text string) (func(*C), bool) {
	value, ok := s.of.parse(text)
	return func(c *C) { *s.get(c) = value }, ok
}

func (s slot[C, T]) mask(text string) string {
	if s.of.mask == nil {
		return maskStray(text)
	}
	return s.of.mask(text)
}

func (s slot[C, T]) show(c *C) string { return s.of.show(*s.get(c)) }
func (s slot[C, T]) value(c *C) any   { return *s.get(c) }
func (s slot[C, T]) expected() string { return s.of.expected }
func (s slot[C, T]) kind() string     { return s.of.name }
