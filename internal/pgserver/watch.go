// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
)

// vigil reads process ids, each the newest postmaster's, until its input ends,
// which it does when this process has ended in any way. Then it stops that
// postmaster, which may be suspended, unless the folder's lock file names another
// one by now, and removes the temporary folder.
const vigil = `
while read -r pid; do last=$pid; done
if [ -n "$last" ] && [ "$(head -n 1 "$2/postmaster.pid")" = "$last" ]; then
	kill -CONT "$last"
	"$1" stop -D "$2" -m immediate
fi
rm -rf "$3"
`

// watcher is a small shell that outlives us and cleans up behind us. The
// kernel's way on Linux, a signal at the parent's death, fires when the
// *thread* that started the child ends, which in Go can be at any time, and
// macOS has nothing like it.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// watch starts the watcher of the server in data, with the temporary folder.
func watch(a *account, pgctl, data, temporary string) (*watcher, error) {
	cmd := a.command("/", "/bin/sh", "-c", vigil, "weir", pgctl, data, temporary)
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to the watcher of PostgreSQL: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watcher of PostgreSQL: %w", err)
	}
	return &watcher{cmd: cmd, pipe: pipe}, nil
}

// tell names the postmaster to stop.
func (w *watcher) tell(pid int) error {
	if _, err := io.WriteString(w.pipe, strconv.Itoa(pid)+"\n"); err != nil {
		return fmt.Errorf("tell the watcher of PostgreSQL: %w", err)
	}
	return nil
}

// dismiss ends the watcher without a clean-up. It must come before the pipe's
// end, which the watcher would take for ours.
func (w *watcher) dismiss() {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait() // closes the pipe
}
