// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"strings"
	"sync"
)

// defects is the log of a gateway, of which it keeps what tells of a defect in weir:
// what an audit of an upstream has found, and panics.
type defects struct {
	mu   sync.Mutex
	list []string // guarded by mu
}

func (d *defects) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if (strings.Contains(text, "audit") || strings.Contains(text, "defect in weir")) && !isTolerated(text) {
		d.mu.Lock()
		d.list = append(d.list, text)
		d.mu.Unlock()
	}
	return len(line), nil
}

// take returns what was logged since it was called last.
func (d *defects) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.list
	d.list = nil
	return list
}
