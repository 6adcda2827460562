// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// output runs a program and returns what it printed on both streams. The error
// holds that too.
func output(ctx context.Context, input string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(environment(), env...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%.2000s", filepath.Base(name), err, out)
	}
	return string(out), err
}

// within bounds one test's clients.
func within(t testing.TB) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), patience)
	t.Cleanup(stop)
	return ctx
}

// together runs n clients at once and returns the errors of all.
func together(n int, client func(i int) error) error {
	errs := make([]error, n)
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() { errs[i] = client(i) })
	}
	done.Wait()
	return errors.Join(errs...)
}

// sameLines compares what a client saw directly and through weir.
func sameLines(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		a, b := lineAt(g, i), lineAt(w, i)
		if a != b {
			t.Fatalf("line %d through weir is\n%.1000s\ndirectly it is\n%.1000s", i+1, a, b)
		}
	}
}

func lineAt(lines []string, i int) string {
	if i >= len(lines) {
		return "(nothing)"
	}
	return lines[i]
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
