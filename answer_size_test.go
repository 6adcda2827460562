// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"crypto/md5" //nolint:gosec // PostgreSQL's md5 compares large values here
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// largestFollowing is the longest value of a setting that follows its client.
const largestFollowing = 1 << 20 // 1 MiB

// TestSettingsOfEverySizeStayWithTheirClient sets a parameter to values around the
// sizes of weir's buffers. Its client keeps it, whichever connection serves it, and
// nobody else has it.
func TestSettingsOfEverySizeStayWithTheirClient(t *testing.T) {
	t.Parallel()
	for _, connections := range []int{1, 2} {
		t.Run(strconv.Itoa(connections), func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(connections))
			for _, size := range []int{
				1, 4 << 10, 8<<10 - 1, 8 << 10, 16<<10 - 64, 16<<10 - 1, 16 << 10, 16<<10 + 1,
				17_000, 64 << 10, largestFollowing, largestFollowing + 1,
			} {
				keepsSetting(t, g, connections, size)
			}
		})
	}
}

// keepsSetting has a client set a value of that size and another come in between.
func keepsSetting(t *testing.T, g *gateway, connections, size int) {
	t.Helper()
	const show = "select coalesce(current_setting('app.big', true), '')"
	value := strings.Repeat("x", size-1) + "\\"
	sum := md5.Sum([]byte(value)) //nolint:gosec // see the import
	want := fmt.Sprintf("%d %s", size, hex.EncodeToString(sum[:]))
	owner, other := g.connect(t), g.connect(t)
	must(t, owner, "set app.big = '"+value+"'")
	pinned := 0
	if size > largestFollowing {
		pinned = 1
	}
	g.pins(t, pinned)
	for range 2 {
		if pinned < connections {
			must(t, other, "begin")
			if got := ask(t, other, show); got != "" {
				t.Fatalf("%d bytes: another client has %d bytes of it", size, len(got))
			}
			if connections == 1 {
				must(t, other, "commit")
			}
		}
		if got := ask(t, owner, "select concat_ws(' ', length(current_setting('app.big')), md5(current_setting('app.big')))"); got != want {
			t.Fatalf("%d bytes: the client has %s, want %s", size, got, want)
		}
		if pinned < connections {
			must(t, other, "commit") // ends what is open
		}
	}
	must(t, owner, "set app.big = 'short'") // what is short again follows again
	g.pins(t, 0)
	must(t, owner, "set app.big = '"+value+"'")
	_ = owner.PgConn().Conn().Close()
	g.balanced(t)
	if got := ask(t, other, show); got != "" {
		t.Fatalf("%d bytes: after its client has left another has %d bytes of it", size, len(got))
	}
	_ = other.PgConn().Conn().Close()
}

// TestAShutdownEndsWhileALargeSettingIsLearned cuts gateways in the middle of what
// such values take.
func TestAShutdownEndsWhileALargeSettingIsLearned(t *testing.T) {
	t.Parallel()
	server := database(t)
	for _, size := range []int{17_000, 1 << 20, 3 << 20} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			g := open(t, server, poolOf(1))
			g.raw(t).query(t, "set app.big = '"+strings.Repeat("x", size)+"'")
			endsInTime(t, g, 50*time.Millisecond)
		})
	}
}
