// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package upstream

import "time"

// setUserTimeout does nothing: TCP_USER_TIMEOUT exists on Linux only, and
// libpq ignores tcp_user_timeout elsewhere too.
func setUserTimeout(int, time.Duration) error { return nil }
