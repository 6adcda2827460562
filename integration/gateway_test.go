// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/observe"
)

// patience bounds what a test waits for. It is long because nothing in these
// tests is about how fast this machine is.
const patience = 3 * time.Minute

// gateway is a weir process with clients of one test.
type gateway struct {
	url    string // the upstream's, with weir's address
	status string // URL of its status
	cmd    *exec.Cmd
	ended  chan error

	mu  sync.Mutex
	log []string // guarded by mu
}

// open starts weir before the PostgreSQL of upstream, with environment
// variables such as "DATABASE_POOL_MAX=5". It is stopped when the test ends,
// and must then have nothing in use and no error in its log.
func open(t testing.TB, upstream string, settings ...string) *gateway {
	t.Helper()
	g := &gateway{cmd: exec.Command(binary, "run"), ended: make(chan error, 1)}
	g.cmd.Dir = t.TempDir() // where no weir.toml is
	g.cmd.Env = append(environment(),
		"DATABASE_URL="+upstream, "WEIR_LISTEN=127.0.0.1:0", "WEIR_HTTP=127.0.0.1:0", "WEIR_LOG_LEVEL=debug")
	g.cmd.Env = append(g.cmd.Env, settings...)
	// An interrupt from the keyboard is for the tests, which stop weir in turn.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.stop(t) })
	g.await(t, stderr, upstream)
	return g
}

// environment is this process' without what would change weir or a client.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "WEIR_") || strings.HasPrefix(v, "DATABASE_")
	})
}

// record is what these tests read of a line of weir's log.
type record struct {
	Level, Msg, Address, URL string
}

// await learns weir's addresses from its log, and keeps reading it.
func (g *gateway) await(t testing.TB, stderr io.Reader, upstream string) {
	t.Helper()
	found := make(chan record, 2)
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			g.note(lines.Text(), found)
		}
		g.ended <- g.cmd.Wait()
	}()
	for g.url == "" || g.status == "" {
		select {
		case r := <-found:
			g.locate(t, r, upstream)
		case err := <-g.ended:
			g.ended <- err
			t.Fatalf("weir ended at its start: %v\n%s", err, g.logged())
		case <-time.After(patience):
			t.Fatalf("weir does not listen\n%s", g.logged())
		}
	}
}

func (g *gateway) note(line string, found chan<- record) {
	g.mu.Lock()
	g.log = append(g.log, line)
	g.mu.Unlock()
	var r record
	if json.Unmarshal([]byte(line), &r) == nil && (r.Msg == "listening for clients" || r.Msg == "serving HTTP") {
		found <- r
	}
}

func (g *gateway) locate(t testing.TB, r record, upstream string) {
	if r.URL != "" {
		g.status = r.URL + "/api/v1/status"
		return
	}
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = r.Address
	g.url = u.String()
}

// logged returns weir's log so far.
func (g *gateway) logged() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.log, "\n")
}

// stop ends weir and checks that it ended well.
func (g *gateway) stop(t testing.TB) {
	if !t.Failed() {
		g.balanced(t)
	}
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // who has ended already is found below
	select {
	case err := <-g.ended:
		if err != nil {
			t.Errorf("weir ended: %v", err)
		}
	case <-time.After(patience):
		_ = g.cmd.Process.Kill()
		t.Errorf("weir did not end on SIGTERM, but when it was killed: %v", <-g.ended)
	}
	for _, line := range g.log {
		var r record
		if json.Unmarshal([]byte(line), &r) != nil || r.Level == "ERROR" {
			t.Errorf("weir logged: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("the end of weir's log:\n%s", strings.Join(g.log[max(0, len(g.log)-20):], "\n"))
	}
}

// balanced waits until the clients have left, and checks that they left
// nothing behind.
func (g *gateway) balanced(t testing.TB) {
	t.Helper()
	await(t, "weir has no client, nothing in use and nobody waiting", func() error {
		s := g.snapshot(t)
		if s.Clients.Total > 0 || s.Upstreams.Active > 0 || s.Waiting > 0 {
			return fmt.Errorf("clients %+v, upstreams %+v, waiting %d", s.Clients, s.Upstreams, s.Waiting)
		}
		return nil
	})
}

// snapshot asks weir for its status.
func (g *gateway) snapshot(t testing.TB) (s observe.Snapshot) {
	t.Helper()
	res, err := http.Get(g.status)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		t.Fatalf("status: %v", err)
	}
	return s
}

// await polls until check is content, or ends the test with what it says.
func await(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s: %v", what, err)
		}
		time.Sleep(5 * time.Millisecond) // a pause between two looks
	}
}
