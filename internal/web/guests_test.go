// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/weir-pg/weir/internal/web"
)

// TestConnectionsAreBounded opens many that ask nothing, ask half, or have asked,
// while one is being answered, and then asks.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const many = 6 * web.MaxConns
	begun, end := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/quick", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "quick") })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-end
		_, _ = io.WriteString(w, "slow")
	})
	listener, _ := start(t, t.Context(), mux)
	url := "http://" + listener.Addr().String()

	var wait sync.WaitGroup
	wait.Go(func() {
		if got := body(t, url+"/slow"); got != "slow" {
			t.Errorf("the request that was being answered got %q", got)
		}
	})
	<-begun
	conns := make([]net.Conn, many)
	for i := range conns {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, []string{"", "GET /qu", "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"}[i%3]); err != nil {
			t.Fatal(err)
		}
		conns[i] = conn
	}
	if got := body(t, url+"/quick"); got != "quick" {
		t.Errorf("got %q", got)
	}
	ended := make(chan struct{}, many)
	for _, conn := range conns {
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			ended <- struct{}{}
		}()
	}
	for range many - web.MaxConns { // that made room
		<-ended
	}
	close(end)
	wait.Wait()
}

// body asks over a connection of its own.
func body(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}
