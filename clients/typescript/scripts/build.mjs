// SPDX-License-Identifier: Apache-2.0

// Builds dist/esm and dist/cjs, each with its types.

import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const root = new URL('../', import.meta.url)
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')

process.chdir(root.pathname)
rmSync('dist', { recursive: true, force: true })
for (const project of ['tsconfig.json', 'tsconfig.cjs.json']) {
  execFileSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' })
}
// The package is of ES modules; Node has to be told that these are not.
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n')
