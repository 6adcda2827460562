// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is one form that a value can have. Every source gives text, so that a
// value reads the same in a flag, a variable and a file.
type kind[T any] struct {
	name     string // for help: "int", "duration"
	expected string // for a mistake: "a whole number from 1 to 10"
	parse    func(text string) (T, bool)
	show     func(value T) string     // the reverse of parse, with secrets masked
	mask     func(text string) string // hides the secrets of text that may not even parse; nil: has none
}

// integer is a whole number from least to most.
func integer(least, most int) kind[int] {
	expected := fmt.Sprintf("a whole number from %d to %d", least, most)
	if most == math.MaxInt {
		expected = fmt.Sprintf("a whole number of at least %d", least)
	}
	return kind[int]{
		name:     "int",
		expected: expected,
		parse: func(text string) (int, bool) {
			n, err := strconv.Atoi(text)
			return n, err == nil && n >= least && n <= most
		},
		show: strconv.Itoa,
	}
}

// boolean is the words that people write for yes and no.
func boolean() kind[bool] {
	return kind[bool]{
		name:     "bool",
		expected: "true or false",
		parse: func(text string) (bool, bool) {
			switch strings.ToLower(text) {
			case "true", "1", "yes", "on":
				return true, true
			case "false", "0", "no", "off":
				return false, true
			}
			return false, false
		},
		show: strconv.FormatBool,
	}
}

// duration is a Go duration of at least least, or a whole number of milliseconds.
func duration(least time.Duration) kind[time.Duration] {
	expected := "milliseconds (30000) or a duration with its unit (30s)"
	if least > 0 {
		expected += ", not zero"
	}
	return kind[time.Duration]{
		name:     "duration",
		expected: expected,
		parse: func(text string) (time.Duration, bool) {
			d, ok := parseDuration(text)
			return d, ok && d >= least
		},
		show: showDuration,
	}
}

func parseDuration(text string) (time.Duration, bool) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		d, err := time.ParseDuration(text)
		return d, err == nil && d >= 0
	}
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(ms) * time.Millisecond, ms >= 0 && ms <= most
}

// showDuration is d's String without the zeros at its end: 1h, not 1h0m0s.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// sizes are PostgreSQL's: powers of 1024, however they are written (documentation, 20.1.1).
var sizes = []struct {
	unit  string
	bytes int64
}{
	{"gib", 1 << 30},
	{"mib", 1 << 20},
	{"kib", 1 << 10},
	{"gb", 1 << 30},
	{"mb", 1 << 20},
	{"kb", 1 << 10},
	{"b", 1},
}

// bytes is a size of at least least bytes; a number without a unit is bytes.
func bytes(least int64) kind[int64] {
	return kind[int64]{
		name:     "bytes",
		expected: "bytes (65536) or a size with its unit (64KiB) of at least " + showBytes(least),
		parse: func(text string) (int64, bool) {
			n, ok := parseBytes(text)
			return n, ok && n >= least
		},
		show: showBytes,
	}
}

func parseBytes(text string) (int64, bool) {
	text = strings.ToLower(text)
	factor := int64(1)
	for _, size := range sizes {
		if digits, found := strings.CutSuffix(text, size.unit); found {
			text, factor = strings.TrimSpace(digits), size.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n * factor, err == nil && n >= 0 && n <= math.MaxInt64/factor
}

func showBytes(n int64) string {
	for i, unit := range []string{"GiB", "MiB", "KiB"} {
		if size := sizes[i].bytes; n >= size && n%size == 0 {
			return strconv.FormatInt(n/size, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10)
}

// choice is one of a few words.
func choice[T ~string](words ...T) kind[T] {
	names := make([]string, len(words))
	for i, word := range words {
		names[i] = string(word)
	}
	last := len(names) - 1
	return kind[T]{
		name:     strings.Join(names, "|"),
		expected: strings.Join(names[:last], ", ") + " or " + names[last],
		parse: func(text string) (T, bool) {
			word := T(strings.ToLower(text))
			return word, slices.Contains(words, word)
		},
		show: func(word T) string { return string(word) },
	}
}

// name is any text.
func name() kind[string] {
	return kind[string]{
		name:     "string",
		expected: "text",
		parse:    func(text string) (string, bool) { return text, true },
		show:     func(text string) string { return text },
	}
}

// file is the path of a file, which is read later.
func file() kind[string] {
	k := name()
	k.name = "file"
	return k
}

// secret is text that is never shown.
func secret() kind[string] {
	k := name()
	k.show, k.mask = stars, stars
	return k
}

// connection is a libpq connection string; whether it can be used is checked
// when all of them are known.
func connection() kind[string] {
	k := name()
	k.name, k.expected = "url", "a PostgreSQL URL"
	k.show, k.mask = maskURL, maskURL
	return k
}

// place is one address, or off.
func place() kind[string] {
	return kind[string]{
		name:     "address",
		expected: "host:port, or off",
		parse: func(text string) (string, bool) {
			if text == "" || strings.EqualFold(text, "off") {
				return "", true
			}
			return text, isHostPort(text)
		},
		show: func(text string) string {
			if text == "" {
				return "off"
			}
			return text
		},
	}
}

// places is a list of addresses, separated by commas.
func places() kind[[]string] {
	return kind[[]string]{
		name:     "addresses",
		expected: "host:port or the absolute path of a Unix socket, several separated by commas",
		parse: func(text string) ([]string, bool) {
			list := strings.Split(text, ",")
			for i, item := range list {
				list[i] = strings.TrimSpace(item)
				if !filepath.IsAbs(list[i]) && !isHostPort(list[i]) {
					return nil, false
				}
			}
			return list, true
		},
		show: func(list []string) string { return strings.Join(list, ",") },
	}
}
