// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-pg/weir/internal/loop"
)

// patience bounds what a test waits for, however slow the machine.
const patience = 30 * time.Second

// TestMain fails where the tests have left a goroutine or a descriptor.
func TestMain(m *testing.M) {
	goroutines, files := runtime.NumGoroutine(), descriptors()
	code := m.Run()
	if code == 0 && !eventually(func() bool { return runtime.NumGoroutine() <= goroutines }) {
		fmt.Fprintf(os.Stderr, "goroutines left: %d, at first %d\n", runtime.NumGoroutine(), goroutines)
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	// Go's own poller keeps an epoll and an eventfd once it was used.
	if code == 0 && !eventually(func() bool { return descriptors() <= files+2 }) {
		fmt.Fprintf(os.Stderr, "descriptors left: %d, at first %d\n", descriptors(), files)
		code = 1
	}
	os.Exit(code)
}

// descriptors counts this process's open files, 0 where that cannot be known.
func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// eventually reports whether ok becomes true before patience ends.
func eventually(ok func() bool) bool {
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			return false
		}
		runtime.Gosched()
	}
	return true
}

// log is a log that tests can read.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start starts n loops. By the end of the test their connections must be
// closed, and nothing may have panicked.
func start(t testing.TB, n int) *loop.Group {
	t.Helper()
	text := &log{}
	g := startWith(t, n, text, func(int, time.Duration) {})
	t.Cleanup(func() {
		if s := text.String(); s != "" {
			t.Errorf("log of the loops:\n%s", s)
		}
	})
	return g
}

func startWith(t testing.TB, n int, w io.Writer, busy func(int, time.Duration)) *loop.Group {
	t.Helper()
	g, err := loop.NewGroup(loop.Options{Loops: n, Logger: slog.New(slog.NewTextHandler(w, nil)), Busy: busy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := g.Open(); n != 0 {
			t.Errorf("connections still registered at the end: %d", n)
		}
		if err := g.Close(); err != nil {
			t.Errorf("close the loops: %v", err)
		}
	})
	return g
}

// wait ends the test where done is not closed in time.
func wait(t testing.TB, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		t.Fatalf("nothing happened for %s\n%s", patience, buf[:runtime.Stack(buf, true)])
	}
}

// on runs f on l and waits for its end.
func on(t testing.TB, l *loop.Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	l.Post(loop.Func(func() {
		defer close(done)
		f()
	}))
	wait(t, done)
}

// settle waits until l has asked its poller at least once more.
func settle(t testing.TB, l *loop.Loop) {
	t.Helper()
	on(t, l, func() {})
	on(t, l, func() {})
}

// serve is a task made of a function.
type serve func(*loop.Task)

func (f serve) Serve(t *loop.Task) { f(t) }

// spawn runs f in a task on l. The channel is closed at its end.
func spawn(l *loop.Loop, f func(*loop.Task)) <-chan struct{} {
	done := make(chan struct{})
	l.Post(loop.Func(func() {
		l.Go(serve(func(t *loop.Task) {
			defer close(done)
			f(t)
		}))
	}))
	return done
}

// ready is a Handler made of a function.
type ready func(*loop.Conn)

func (f ready) Ready(c *loop.Conn) { f(c) }

// ignore is a Handler that leaves everything to remembered readiness.
var ignore = ready(func(*loop.Conn) {})

// media are the kinds of Medium: each returns one, which is the caller's, and
// the other end, which the test closes.
var media = map[string]func(testing.TB) (loop.Medium, net.Conn){
	"socket": func(t testing.TB) (loop.Medium, net.Conn) {
		t.Helper()
		return sockets(t)
	},
	"pipe": func(t testing.TB) (loop.Medium, net.Conn) {
		t.Helper()
		ours, peer := loop.Pipe()
		m, err := loop.Take(ours)
		if err != nil {
			t.Fatal(err)
		}
		expire(t, peer)
		t.Cleanup(func() { _ = peer.Close() })
		return m, peer
	},
}

// overEach runs test with each kind of Medium.
func overEach(t *testing.T, test func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn))) {
	t.Helper()
	t.Parallel()
	for kind, connect := range media {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, connect)
		})
	}
}

// sockets returns the two ends of a Unix stream: a socket that does not block,
// which is the caller's, and a connection, which the test closes.
func sockets(t testing.TB) (ours loop.Socket, peer net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	file := os.NewFile(uintptr(fds[1]), "peer")
	defer file.Close() // FileConn makes a duplicate
	peer, err = net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	expire(t, peer)
	t.Cleanup(func() { _ = peer.Close() })
	return loop.Socket(fds[0]), peer
}

// expire bounds everything that conn does.
func expire(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

// dial returns the two ends of a connection over network, "tcp", "unix" or "pipe".
func dial(t testing.TB, network string) (ours, peer net.Conn) {
	t.Helper()
	if network == "pipe" {
		ours, peer = loop.Pipe()
		t.Cleanup(func() { _ = peer.Close() })
		expire(t, peer)
		return ours, peer
	}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	ours, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	expire(t, peer)
	return ours, peer
}

// register makes a Conn of m, which is closed when the test ends.
func register(t testing.TB, l *loop.Loop, m loop.Medium, h loop.Handler) *loop.Conn {
	t.Helper()
	c := new(loop.Conn)
	if err := c.Init(l, m, h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// write sends text from the peer's side.
func write(t testing.TB, peer net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(peer, text); err != nil {
		t.Fatal(err)
	}
}

// readFull fills p from c, parking where there is nothing.
func readFull(task *loop.Task, c interface{ Read(p []byte) (int, error) }, p []byte) error {
	for done := 0; done < len(p); {
		n, err := c.Read(p[done:])
		done += n
		switch {
		case loop.IsAgain(err):
			task.Park()
		case err != nil && done < len(p):
			return err
		}
	}
	return nil
}

// writeFull writes all of p to c, parking where there is no room.
func writeFull(task *loop.Task, c interface{ Write(p []byte) (int, error) }, p []byte) error {
	for done := 0; done < len(p); {
		n, err := c.Write(p[done:])
		done += n
		switch {
		case loop.IsAgain(err):
			task.Park()
		case err != nil:
			return err
		}
	}
	return nil
}
