// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// overheard stands between weir and PostgreSQL and keeps what weir sends, one entry
// for each read.
type overheard struct {
	net.Listener
	server string

	mu    sync.Mutex
	reads []string // guarded by mu
}

// overhear returns the URL of one in front of the server at rawURL.
func overhear(t *testing.T, rawURL string) (*overheard, string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	p := &overheard{server: u.Host}
	if p.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); p.serve() }()
	t.Cleanup(func() {
		_ = p.Close()
		<-done
	})
	u.Host = p.Addr().String()
	return p, u.String()
}

// serve forwards connections until the listener is closed and they have ended.
func (p *overheard) serve() {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		weir, err := p.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = weir.Close()
			continue
		}
		all.Go(func() {
			_, _ = io.Copy(weir, server) // ends when either side does
			_ = weir.Close()
		})
		all.Go(func() {
			_, _ = io.Copy(io.MultiWriter(p, server), weir) // kept before anybody can answer it
			_ = server.Close()
		})
	}
}

// Write keeps what one read gave.
func (p *overheard) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads = append(p.reads, string(b))
	return len(b), nil
}

// with returns the read that has the text in it.
func (p *overheard) with(text string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.reads {
		if strings.Contains(r, text) {
			return r
		}
	}
	return ""
}

// count returns how often the text was sent.
func (p *overheard) count(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(strings.Join(p.reads, ""), text)
}

func TestSettingsThatCannotFailShareTheWriteOfTheRequest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set, bring string
		shares     bool
	}{
		"search path":                   {"set search_path = pg_catalog, public", "SET search_path TO E'pg_catalog', E'public'", true},
		"reported":                      {"set timezone = 'Asia/Tokyo'", "SET timezone TO E'Asia/Tokyo'", true},
		"not reported":                  {"set work_mem = '7MB'", "SET work_mem TO E'7168'", true},
		"role":                          {"set role pg_monitor", "set_config( E'role'", false},
		"made up":                       {"set app.tenant = 'me'", "set_config( E'app.tenant'", false},
		"in a catalog":                  {"set default_text_search_config = 'pg_catalog.german'", "set_config( E'default_text_search_config'", false},
		"not for all":                   {"set log_min_duration_statement = 77", "set_config( E'log_min_duration_statement'", false},
		"in the catalog, by set_config": {"select set_config('default_tablespace', 'pg_default', false)", "set_config( E'default_tablespace'", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, upstream := overhear(t, database(t))
			g := open(t, upstream, poolOf(1))
			one, other := g.connect(t), g.connect(t)
			must(t, one, c.set)
			must(t, other, "select 'the other'")
			for _, how := range []string{"simple", "extended"} {
				mark := "select 'one " + how + "'"
				if how == "simple" {
					must(t, one, mark)
				} else if _, err := one.Exec(bounded(t), mark); err != nil {
					t.Fatal(err)
				}
				must(t, other, "select 'the other'")
				if sent := p.with(mark); strings.Contains(sent, c.bring) != c.shares {
					t.Errorf("%s: the request was sent as %q", how, sent)
				}
			}
			if p.with(c.bring) == "" {
				t.Errorf("nothing was sent that has %q", c.bring)
			}
		})
	}
}

func TestNothingIsSentWhereNothingDiffers(t *testing.T) {
	t.Parallel()
	p, upstream := overhear(t, database(t))
	g := open(t, upstream, poolOf(1))
	one, other := g.connect(t), g.connect(t)
	for _, conn := range []*pgx.Conn{one, other} {
		must(t, conn, "set timezone = 'Asia/Tokyo'")
	}
	must(t, one, "select 'first'")
	must(t, other, "select 'second'")
	for _, mark := range []string{"select 'first'", "select 'second'"} {
		if sent := []byte(p.with(mark)); bytes.Count(sent, []byte("Q\x00")) != 1 {
			t.Errorf("the request was sent as %q", sent)
		}
	}
}

// A role that is gone is an answer to the client, and what it asked is not run
// under another.
func TestSettingsThatFailAnswerTheRequest(t *testing.T) {
	t.Parallel()
	url := database(t)
	const role = "weir_replay_gone"
	testpg.Exec(t, url, "drop role if exists "+role+"; create role "+role)
	g := open(t, url, poolOf(1))
	one, other := g.connect(t), g.connect(t)
	must(t, one, "create table t (n int)")
	must(t, one, "set role "+role)
	must(t, other, "grant all on t to public")
	testpg.Exec(t, url, "drop owned by "+role)
	testpg.Exec(t, url, "drop role "+role)
	err := exec(t, one, "insert into t values (1)")
	if code(err) != "22023" {
		t.Errorf("the request got %v, want that there is no such role", err)
	}
	if n := number(t, other, "select count(*) from t"); n != 0 {
		t.Error("the request was run all the same")
	}
	if err := exec(t, one, "select 1"); code(err) != "22023" {
		t.Errorf("the next request got %v", err)
	}
	must(t, other, "select 1")
}

// With a connection for each, clients with settings of their own find theirs
// again, whoever asks first.
func TestClientsFindTheConnectionThatHasTheirSettings(t *testing.T) {
	t.Parallel()
	p, upstream := overhear(t, database(t))
	g := open(t, upstream, poolOf(3))
	zones := []string{"Asia/Tokyo", "Europe/Berlin", "America/Lima"}
	var conns []*pgx.Conn
	for _, zone := range zones {
		conns = append(conns, g.connect(t, "timezone="+zone))
	}
	for _, c := range conns {
		must(t, c, "begin") // all at once: a connection for each
		must(t, c, "select 1")
	}
	for _, c := range conns {
		must(t, c, "commit")
	}
	brought := p.count("SET timezone TO")
	for i := range 30 {
		n := (i * 7) % len(zones)
		if got := ask(t, conns[n], "show timezone"); got != zones[n] {
			t.Errorf("the client of %s has %s", zones[n], got)
		}
	}
	if again := p.count("SET timezone TO") - brought; again > 0 {
		t.Errorf("settings were brought %d times more", again)
	}
}

// TestSettingsOfThenThatFailDoNotStandInTheirOwnWay prepares a statement anew under
// settings that PostgreSQL refuses by now, and again when it takes them.
func TestSettingsOfThenThatFailDoNotStandInTheirOwnWay(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	other, r := g.connect(t), g.raw(t)
	const create = "create text search configuration public.mine (copy = simple)"
	must(t, other, create)
	r.send(t, &pgproto3.Query{String: "set default_text_search_config = 'public.mine'"},
		&pgproto3.Parse{Name: "s", Query: "select to_tsvector('x')"}, &pgproto3.Sync{}, &pgproto3.Query{String: "reset default_text_search_config"})
	r.transcript(t, 3)
	must(t, other, "drop text search configuration public.mine")
	must(t, other, "deallocate all")
	for range 2 {
		r.send(t, running("s", false)...)
		if got := r.failure(t); got.Code != "22023" {
			t.Fatalf("got %s %s, want 22023", got.Code, got.Message)
		}
		r.transcript(t, 1)
	}
	must(t, other, create)
	r.send(t, running("s", false)...)
	if got, want := r.transcript(t, 1), "2 D C Z(I)"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}
