// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"encoding/binary"

	"github.com/weir-pg/weir/internal/wire"
)

// Notification is one that PostgreSQL sent. It is shared by all who get it, and
// never changed.
type Notification struct {
	Channel string
	Message []byte // the whole NotificationResponse, as clients get it
}

// ReadNotification reads the body of a NotificationResponse. The slices alias
// it.
func ReadNotification(body []byte) (pid uint32, channel, payload []byte, err error) {
	if len(body) < 4 {
		return 0, nil, nil, wire.ErrMalformed
	}
	pid = binary.BigEndian.Uint32(body)
	channel, rest, ok := wire.CString(body[4:])
	if !ok {
		return 0, nil, nil, wire.ErrMalformed
	}
	payload, _, ok = wire.CString(rest)
	if !ok {
		return 0, nil, nil, wire.ErrMalformed
	}
	return pid, channel, payload, nil
}

// newNotification makes a notification of a body that is nobody else's, with
// another sender.
func newNotification(message []byte, sender uint32, channel []byte) *Notification {
	binary.BigEndian.PutUint32(message[wire.HeaderSize:], sender)
	return &Notification{Channel: string(channel), Message: message}
}
