// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/faultproxy"
)

// distant puts a proxy before the server at dsn that is so far away: queries
// take a while without work for anybody, so that a fault meets many of them.
func distant(t testing.TB, dsn string, delay time.Duration) (*faultproxy.Proxy, string) {
	t.Helper()
	p, err := faultproxy.New(host(t, dsn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.Delay(delay)
	through, err := p.Through(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return p, through
}

// lose has packets dropped. Where nobody can, the test is skipped.
func lose(t testing.TB, p *faultproxy.Proxy, share float64) {
	t.Helper()
	err := p.Lose(share)
	if errors.Is(err, errors.ErrUnsupported) && runtime.GOOS != "linux" {
		t.Skip(runtime.GOOS + " drops no packets for us")
	}
	if err != nil {
		t.Fatal(err)
	}
}
