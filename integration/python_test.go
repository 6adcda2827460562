// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// python is the interpreter of a virtual environment that has what
// python/requirements.txt lists, made once if it is not there yet.
var python = sync.OnceValues(func() (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), 3*patience)
	defer stop()
	folder := filepath.Join("python", ".venv")
	interpreter, err := filepath.Abs(filepath.Join(folder, "bin", "python"))
	if err != nil {
		return "", err
	}
	want, err := os.ReadFile(filepath.Join("python", "requirements.txt"))
	if err != nil {
		return "", err
	}
	installed := filepath.Join(folder, "installed.txt") // a copy, written last
	if has, err := os.ReadFile(installed); err == nil && bytes.Equal(has, want) {
		return interpreter, nil
	}
	if _, err := output(ctx, "", nil, "python3", "-m", "venv", "--clear", folder); err != nil {
		return "", err
	}
	_, err = output(ctx, "", nil, interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
		"--retries=5", "--only-binary=:all:", "--requirement="+filepath.Join("python", "requirements.txt"))
	if err != nil {
		return "", err
	}
	return interpreter, os.WriteFile(installed, want, 0o600)
})

// TestPythonSeesTheSame has Python's drivers, and what people build on them, do
// the same directly and through weir on two connections.
func TestPythonSeesTheSame(t *testing.T) {
	t.Parallel()
	testpg.Installed(t, "python3")
	interpreter, err := python()
	if err != nil {
		t.Fatal(err)
	}
	for _, driver := range []string{"psycopg3", "psycopg2", "asyncpg", "pg8000", "sqlalchemy", "django"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			visit := func(url string) string {
				said, err := output(within(t), "", []string{"URL=" + url}, interpreter, "-B", filepath.Join("python", "drivers.py"), driver)
				if err != nil {
					t.Fatal(err)
				}
				return said
			}
			w := open(t, fresh(t, "").url, "DATABASE_POOL_MAX=2")
			sameLines(t, visit(w.url), visit(fresh(t, "").url))
		})
	}
}
