// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-pg/weir/internal/testpg"
)

func TestSocketOptions(t *testing.T) {
	t.Parallel()
	dsn := testpg.URL(t)
	for _, test := range []struct {
		name  string
		pairs []string
		want  map[int]int // option of TCP to value
		alive int         // SO_KEEPALIVE
	}{
		{"default", nil, map[int]int{
			unix.TCP_KEEPIDLE: 30, unix.TCP_KEEPINTVL: 10, unix.TCP_KEEPCNT: 3,
			unix.TCP_USER_TIMEOUT: 30_000, unix.TCP_NODELAY: 1,
		}, 1},
		{"from the URL", []string{
			"keepalives_idle", "7", "keepalives_interval", "2", "keepalives_count", "4", "tcp_user_timeout", "1500",
		}, map[int]int{
			unix.TCP_KEEPIDLE: 7, unix.TCP_KEEPINTVL: 2, unix.TCP_KEEPCNT: 4, unix.TCP_USER_TIMEOUT: 1500,
		}, 1},
		{"off", []string{"keepalives", "0", "tcp_user_timeout", "0"}, map[int]int{unix.TCP_USER_TIMEOUT: 0}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fd := take(t, login(t, edit(t, dsn, test.pairs...), nil))
			defer unix.Close(fd)
			for option, want := range test.want {
				if got, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, option); err != nil || got != want {
					t.Errorf("option %d = %d (%v), want %d", option, got, err, want)
				}
			}
			if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE); err != nil || got != test.alive {
				t.Errorf("keepalive = %d (%v), want %d", got, err, test.alive)
			}
		})
	}
}
