// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/faultproxy"
)

// TestASlowAndLossyNetworkUnderLoad delays every packet and drops one in
// twenty: TCP sends them again, and nobody may see more than that it takes
// longer.
func TestASlowAndLossyNetworkUnderLoad(t *testing.T) {
	t.Parallel()
	url := database(t)
	p, through := distant(t, url, nearby)
	c := hire(t, open(t, through, poolOf(10)), url)
	p.Delay(10 * time.Millisecond)
	lose(t, p, 0.03)
	c.served(t, 2)
	lose(t, p, 0)
	p.Delay(nearby)
	c.dismiss(t, url)
	c.flawless(t)
}

// quickly has the kernel give up soon on a peer that acknowledges nothing.
const quickly = "&tcp_user_timeout=1000&keepalives_idle=1&keepalives_interval=1"

// TestABlackHoleUnderLoad has every packet dropped until the kernel gives up on
// connections. The firewall that has forgotten them resets them afterwards, so
// that PostgreSQL learns of it too.
func TestABlackHoleUnderLoad(t *testing.T) {
	t.Parallel()
	url := database(t)
	p, through := distant(t, url, nearby)
	g := open(t, through+quickly, poolOf(10))
	c := hire(t, g, url)
	until(t, "the pool to be full", func() bool { return p.Open() == 10 })
	lose(t, p, 1)
	until(t, "all connections to be given up", func() bool {
		up := g.Status().Upstreams
		return up.Idle+up.Active == 0
	})
	lose(t, p, 0)
	p.Reset()
	c.dismiss(t, url)
}

// TestConnectionsCutAtRandomUnderLoad ends connections at any message in either
// direction, before, in the middle of or after it, with and without goodbye:
// at one message in fifty, and at one in five hundred of a login, of which
// there are two dozen.
func TestConnectionsCutAtRandomUnderLoad(t *testing.T) {
	t.Parallel()
	url := database(t)
	p, through := distant(t, url, nearby)
	c := hire(t, open(t, through, poolOf(10)), url)
	p.Script(func(m *faultproxy.Message) faultproxy.Fate {
		odds := 50
		if strings.IndexByte("\x00pRSK", m.Type) >= 0 {
			odds = 500
		}
		if rand.N(odds) > 0 {
			return faultproxy.Live
		}
		switch n := len(m.Bytes); m.Type {
		case 'D', 't': // of these a client would get half, and no more
		case 'p': // PostgreSQL calls half of a password a wrong one (auth-sasl.c), which weir tells everybody
			m.Bytes = m.Bytes[:rand.N(2)*n]
		default:
			m.Bytes = m.Bytes[:rand.N(3)*n/2]
		}
		return faultproxy.Reset + faultproxy.Fate(rand.N(3))
	})
	c.served(t, 3)
	p.Script(nil)
	c.dismiss(t, url)
}
