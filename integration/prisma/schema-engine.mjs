#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0

// A schema engine for Prisma's command line, made of what is on npm.
//
// `prisma migrate` and `prisma db` start the schema engine, a native program
// that is not on npm, and talk to it in JSON-RPC, a message per line. The same
// engine compiled to WebAssembly is on npm; it does its queries through a driver
// adapter. This program speaks the one and drives the other. The command line
// starts it where PRISMA_SCHEMA_ENGINE_BINARY names it, as
//
//   schema-engine.mjs --datasource '{"url": URL}' [--datamodels FILE]...         to answer on its standard streams
//   schema-engine.mjs --datasource '{"url": URL}' cli can-connect-to-database    to exit with status 0, or 1 and an error
//   schema-engine.mjs --datasource '{"url": URL}' cli create-database            likewise
//   schema-engine.mjs --version
//
// The SQL is the engine's own. database.mjs says how it gets to PostgreSQL, and
// in what the connections differ from the native engine's.

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import * as wasm from '@prisma/schema-engine-wasm/schema_engine_bg'
import { Server } from './database.mjs'

// load links the engine by hand: Node imports WebAssembly only with a flag.
function load() {
  const file = new URL('schema_engine_bg.wasm', import.meta.resolve('@prisma/schema-engine-wasm'))
  const module = new WebAssembly.Module(readFileSync(file))
  const { exports } = new WebAssembly.Instance(module, { './schema_engine_bg.js': wasm })
  wasm.__wbg_set_wasm(exports)
  exports.__wbindgen_start()
  // Where the engine, which is Rust, says why it panics before it does.
  globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => log('ERROR', { is_panic: true, message }) }
}

// log writes a line to standard error as the native engine does. The command
// line skips the first one, looks for an error in the others, and cannot bear
// anything that is not JSON, such as Node's warnings.
function log(level, fields) {
  process.stderr.write(`${JSON.stringify({ timestamp: new Date(), level, fields, target: 'schema_engine::logger' })}\n`)
}

const say = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)

// Session is an engine with its connections, started at the first request.
class Session {
  constructor(url, files) {
    this.server = new Server(url)
    this.datamodels = files?.map((path) => [path, readFileSync(path, 'utf8')])
  }

  engine() {
    const factory = bindMigrationAwareSqlAdapterFactory(this.server)
    this.started ??= wasm.SchemaEngine.new({ datamodels: this.datamodels }, () => {}, factory)
    return this.started
  }

  // call does what the command line asks for. But for two, the methods of both
  // engines have the same names.
  async call(method, params) {
    const engine = await this.engine()
    switch (method) {
      case 'getDatabaseVersion':
        return engine.version(params)
      case 'diff':
        return this.print(await engine.diff(params))
      default:
        return (await engine[method](params)) ?? {}
    }
  }

  // print has the command line print a difference, as the native engine does.
  print({ stdout, exitCode }) {
    if (stdout) {
      say({ id: 0, method: 'print', params: { content: stdout } })
    }
    return { exitCode, stdout: null }
  }

  failure(error) {
    return { is_panic: false, message: error.message, meta: null, error_code: this.server.refusal }
  }
}

async function answer(session, { id, method, params }) {
  if (method === undefined) {
    return // the receipt for a print
  }
  try {
    say({ id, result: await session.call(method, params) })
  } catch (error) {
    say({ id, error: { code: 4466, message: 'An error happened. Check the data field for details.', data: session.failure(error) } })
  }
}

async function serve(session) {
  for await (const line of createInterface({ input: process.stdin })) {
    await answer(session, JSON.parse(line))
  }
  return 0
}

async function command(session, name) {
  log('INFO', { message: `schema engine ${wasm.version()}` })
  try {
    await (name === 'create-database' ? session.server.create() : session.engine())
    return 0
  } catch (error) {
    log('ERROR', session.failure(error))
    return 1
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    datasource: { type: 'string', default: '{}' },
    datamodels: { type: 'string', multiple: true },
    'enabled-preview-features': { type: 'string' },
    'extension-types': { type: 'string' },
    version: { type: 'boolean' },
  },
})
process.removeAllListeners('warning')
load()
if (values.version) {
  console.log(`schema-engine-wasm ${wasm.version()}`)
  process.exit(0)
}
const session = new Session(JSON.parse(values.datasource).url, values.datamodels)
process.exit(positionals[0] === 'cli' ? await command(session, positionals[1]) : await serve(session))
