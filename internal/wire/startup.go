// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The versions that weir speaks, as the start-up packet writes them: the major
// number in the high 16 bits, the minor one in the low. 3.1 was never used by
// any server; 3.2 (PostgreSQL 18) differs from 3.0 only in cancel keys of up
// to 256 bytes.
const (
	Protocol30 uint32 = 3 << 16
	Protocol32 uint32 = 3<<16 | 2
)

// The request codes that stand where a start-up packet has its version
// (PostgreSQL's libpq/pqcomm.h).
const (
	CancelCode uint32 = 1234<<16 | 5678
	SSLCode    uint32 = 1234<<16 | 5679
	GSSCode    uint32 = 1234<<16 | 5680
)

// MaxStartup is the most bytes a start-up packet may have after its length
// word. It is PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
const MaxStartup = 10_000

// The bounds of a cancel key: 4 bytes in protocol 3.0, up to 256 in 3.2.
const (
	minKey = 4
	maxKey = 256
)

// Param is one name and value of a start-up packet. Names are as sent.
type Param struct{ Name, Value string }

// Startup is a StartupMessage. Its strings are copies.
type Startup struct {
	Version  uint32 // as asked for, any major and minor number
	User     string // empty if the packet names none
	Database string // empty if the packet names none

	// Params are the other settings in the order they came, repetitions
	// included: `options` unparsed, `replication` unchecked.
	Params []Param

	// Extensions are the names that begin with `_pq_.`, in order: requests for
	// extensions of the protocol, of which none is defined.
	Extensions []string
}

// CancelRequest names the session whose query is to be cancelled.
type CancelRequest struct {
	PID uint32
	Key []byte // 4 to 256 bytes
}

var (
	errStartupLayout = errors.New("invalid startup packet layout: expected terminator as last byte")
	errCancelLength  = errors.New("invalid length of a cancel request")
)

// StartupLength returns how many bytes follow the four bytes of a start-up
// packet's length word: 4 to MaxStartup. Its error is a protocol violation.
func StartupLength(word [4]byte) (int, error) {
	n := int64(binary.BigEndian.Uint32(word[:])) - 4
	if n < 4 || n > MaxStartup {
		return 0, fmt.Errorf("invalid length of startup packet: %d bytes", n+4)
	}
	return int(n), nil
}

// StartupCode returns what a start-up packet's body begins with: a protocol
// version or a request code. The body has at least four bytes, as StartupLength
// promises.
func StartupCode(body []byte) uint32 { return binary.BigEndian.Uint32(body) }

// ParseStartup reads the body of a StartupMessage: its version, then pairs of
// strings up to an empty name that ends the packet. `user` and `database` given
// twice mean the last one, as in PostgreSQL's ProcessStartupPacket. Its error
// is a protocol violation.
func ParseStartup(body []byte) (*Startup, error) {
	if len(body) < 4 || len(body) > MaxStartup {
		return nil, fmt.Errorf("invalid length of startup packet: %d bytes", len(body)+4)
	}
	s := &Startup{Version: StartupCode(body)}
	rest := body[4:]
	for {
		name, after, ok := CString(rest)
		if !ok {
			return nil, errStartupLayout
		}
		if len(name) == 0 {
			if len(after) > 0 {
				return nil, errStartupLayout
			}
			return s, nil
		}
		value, after, ok := CString(after)
		if !ok {
			return nil, errStartupLayout
		}
		s.set(string(name), string(value))
		rest = after
	}
}

// set files one pair of the packet where it belongs.
func (s *Startup) set(name, value string) {
	switch {
	case name == "user":
		s.User = value
	case name == "database":
		s.Database = value
	case strings.HasPrefix(name, "_pq_."):
		s.Extensions = append(s.Extensions, name)
	default:
		s.Params = append(s.Params, Param{name, value})
	}
}

// ParseCancel reads the body of a CancelRequest. Its error is a protocol
// violation. The key is a copy.
func ParseCancel(body []byte) (*CancelRequest, error) {
	key := len(body) - 8
	if key < minKey || key > maxKey {
		return nil, errCancelLength
	}
	return &CancelRequest{
		PID: binary.BigEndian.Uint32(body[4:]),
		Key: bytes.Clone(body[8:]),
	}, nil
}
