// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// TestClientsThatNeverLogInCostLittle has 5,000 clients connect and say
// nothing, half of them after half a start-up packet. It runs alone, because it
// measures the memory of the process, the clients' side included.
func TestClientsThatNeverLogInCostLittle(t *testing.T) {
	g := open(t, testpg.URL(t), hastyLogin)
	bystander(t, g)
	before := memory()
	const clients = 5000
	conns := make([]net.Conn, clients)
	for i := range conns {
		conn, err := net.DialTimeout("tcp", g.Addr().String(), patience)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		defer conn.Close()
		if i%2 == 1 {
			_, _ = conn.Write([]byte{0, 0, 0, 40, 0, 3}) // weir may have closed it
		}
		conns[i] = conn
	}
	grown := memory() - before
	t.Logf("%d silent clients: %d bytes each", clients, grown/clients)
	if grown > clients*32<<10 {
		t.Errorf("%d silent clients took %d MiB", clients, grown>>20)
	}
	var wait sync.WaitGroup
	for _, conn := range conns {
		wait.Go(func() {
			setDeadline(t, conn)
			r := &raw{Conn: conn}
			if got := r.ends(t); got != "EOF" && got != "reset" {
				t.Errorf("a silent client's connection ended with %s", got)
			}
		})
	}
	wait.Wait()
	until(t, "the logins to end", func() bool { return g.Status().Clients.Login == 0 })
}

// memory is what the process holds on its heap and stacks, in bytes.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
