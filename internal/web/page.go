// SPDX-License-Identifier: Apache-2.0

package web

import (
	"embed"
	"io/fs"
	"net/http"
)

// files are the status page: no build step and nothing from elsewhere.
//
//go:embed static
var files embed.FS

// page serves the status page at / and its files beside it.
func page() http.Handler {
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // "static" is a valid path
	}
	return http.FileServerFS(static)
}
