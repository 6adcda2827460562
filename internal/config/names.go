// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// names is a list of SQL names, separated by commas, that may be empty.
func names() kind[[]string] {
	return kind[[]string]{
		name:     "names",
		expected: "names with or without schema, several separated by commas",
		parse: func(text string) ([]string, bool) {
			if strings.TrimSpace(text) == "" {
				return nil, true
			}
			list := strings.Split(text, ",")
			for i, item := range list {
				list[i] = strings.TrimSpace(item)
				if list[i] == "" || strings.ContainsAny(list[i], " ()'") {
					return nil, false
				}
			}
			return list, true
		},
		show: func(list []string) string { return strings.Join(list, ",") },
	}
}
