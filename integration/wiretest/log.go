// SPDX-License-Identifier: Apache-2.0

package wiretest

import (
	"strings"
	"sync"
)

// Log is the log of a gateway, of which it keeps what tells of a defect in weir:
// what an audit of an upstream has found, and panics.
type Log struct {
	Tolerates func(line string) bool // known defects; nil for none

	mu   sync.Mutex
	list []string // guarded by mu
}

// Write is part of io.Writer.
func (l *Log) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if (strings.Contains(text, "audit") || strings.Contains(text, "defect in weir")) && (l.Tolerates == nil || !l.Tolerates(text)) {
		l.mu.Lock()
		l.list = append(l.list, text)
		l.mu.Unlock()
	}
	return len(line), nil
}

// Take returns what was logged since it was called last.
func (l *Log) Take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}
