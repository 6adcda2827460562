// SPDX-License-Identifier: Apache-2.0

// Checks the form, builds the package and its tests, and runs them. Those that need a database
// want TEST_POSTGRES_URL (PostgreSQL), TEST_WEIR_URL (weir before it) and
// TEST_WEIR_HTTP_URL (the same weir's HTTP side), which
// `go -C integration test -run TypeScript` starts. They skip without, but not in CI.

import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'

const { resolve } = createRequire(import.meta.url)
const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env })
  if (status !== 0) process.exit(status ?? 1)
}

process.chdir(new URL('..', import.meta.url).pathname)
// Prisma's engines cannot be fetched from npm. To generate a client none is
// needed, but its command line looks for one: any file will do.
const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1' }

run(resolve('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.')
run('scripts/build.mjs')
run(resolve('prisma/build/index.js'), 'generate', '--schema', 'test/prisma/schema.prisma', '--no-hints')
rmSync('build', { recursive: true, force: true })
run(resolve('typescript/bin/tsc'), '-p', 'test')
const chosen = process.argv.slice(2)
const files = readdirSync('build').filter((f) => f.endsWith('.test.js'))
run(
  '--test',
  '--test-concurrency=1', // they share tables
  '--test-reporter=spec',
  ...files.filter((f) => chosen.length === 0 || chosen.some((c) => f.startsWith(c))).map((f) => `build/${f}`),
)
