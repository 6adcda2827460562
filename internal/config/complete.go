// SPDX-License-Identifier: Apache-2.0

package config

import (
	"maps"
	"reflect"
	"slices"
	"time"
)

// Place says who is to reach a gateway with certain settings.
type Place uint8

const (
	// Served is a gateway that listens where the settings say.
	Served Place = iota
	// Inside is one that a program has for itself. Where it would listen, and for
	// whom that would be safe, is not checked.
	Inside
)

// Complete returns settings that were made or changed by a program, checked as
// [Load] does it; c itself stays as it is. If c comes neither from [Load] nor
// from [Default], what is zero in it gets its default. The error is [Mistakes].
func Complete(c Config, where Place) (*Config, error) {
	literal := c.origins == nil
	l := &loader{Config: c.clone(), now: time.Now(), bad: map[string]bool{}, place: where}
	for _, s := range settings {
		if literal && reflect.ValueOf(s.value(l.Config)).IsZero() {
			set, _ := s.read(s.preset) // as Default does
			set(l.Config)
		}
		l.checkValue(s)
	}
	l.check()
	if len(l.mistakes) > 0 {
		return nil, l.mistakes
	}
	return l.Config, nil
}

// clone returns a copy of which changes are not seen in c.
func (c *Config) clone() *Config {
	other := *c
	other.origins = make(map[string]origin, len(c.origins))
	maps.Copy(other.origins, c.origins)
	other.Listen = slices.Clone(c.Listen)
	other.SessionFunctions, other.PinFunctions = slices.Clone(c.SessionFunctions), slices.Clone(c.PinFunctions)
	other.Databases, other.Users = slices.Clone(c.Databases), slices.Clone(c.Users)
	other.Notices = slices.Clone(c.Notices)
	return &other
}

// checkValue checks a value that did not come as text. Listen may be empty: then
// there is no listening.
func (l *loader) checkValue(s setting[Config]) {
	if s.key == "listen" && len(l.Listen) == 0 {
		return
	}
	if _, ok := s.read(s.show(l.Config)); !ok {
		l.wrong(s.key, l.origins[s.key], s.show(l.Config), "expected "+s.expected())
	}
}
