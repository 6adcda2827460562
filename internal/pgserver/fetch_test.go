// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
)

// archive writes a package's archive with files by name and returns its path.
func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	out := tar.NewWriter(zip)
	for name, text := range files {
		header := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text))}
		if err := out.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "package.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUnpackMakesARunnableFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := pgserver.Unpack(archive(t, map[string]string{
		"package/native/bin/postgres":     "program",
		"package/native/lib/libpq.so.5.1": "library",
		"package/native/pg-symlinks.json": `[{"source":"native/lib/libpq.so.5.1","target":"native/lib/libpq.so.5"}]`,
	}), dir)
	if err != nil {
		t.Fatal(err)
	}
	native := filepath.Join(dir, "package", "native")
	for _, tt := range []struct {
		name string
		want os.FileMode
	}{
		{"bin", 0o755 | os.ModeDir},
		{"bin/postgres", 0o755},
		{"lib/libpq.so.5.1", 0o644},
	} {
		info, err := os.Stat(filepath.Join(native, tt.name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != tt.want {
			t.Errorf("mode of %s = %v, want %v", tt.name, info.Mode(), tt.want)
		}
	}
	if got, err := os.ReadFile(filepath.Join(native, "lib", "libpq.so.5")); string(got) != "library" {
		t.Errorf("libpq.so.5 holds %q, %v, want what it links to", got, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files map[string]string
	}{
		{"a name outside the folder", map[string]string{"package/../../evil": "x"}},
		{"an absolute name", map[string]string{"/evil": "x"}},
		{"a link outside the folder", map[string]string{
			"package/native/pg-symlinks.json": `[{"source":"a","target":"../../evil"}]`,
		}},
		{"links that are not JSON", map[string]string{"package/native/pg-symlinks.json": "["}},
		{"an archive without a package", map[string]string{"other": "x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := pgserver.Unpack(archive(t, tt.files), filepath.Join(dir)); err == nil {
				t.Error("unpack succeeded")
			}
			if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "evil")); err == nil {
				t.Error("a file was made outside the folder")
			}
		})
	}
}

func TestFetchUnknownVersion(t *testing.T) {
	t.Parallel()
	_, err := pgserver.Fetch(t.Context(), "9")
	if err == nil || !strings.Contains(err.Error(), "choose one of 14, 15, 16, 17, 18") {
		t.Errorf("Fetch(9) = %v, want an error that lists the versions", err)
	}
}
