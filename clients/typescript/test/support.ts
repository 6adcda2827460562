// SPDX-License-Identifier: Apache-2.0

// What several tests use.

import { spawn } from 'node:child_process'
import { after, before, describe } from 'node:test'
import pg from 'pg'

/** Where things are; see scripts/test.mjs. */
export const urls = {
  postgres: process.env.TEST_POSTGRES_URL ?? '',
  weir: process.env.TEST_WEIR_URL ?? '',
  http: process.env.TEST_WEIR_HTTP_URL ?? '',
}

/** Nothing in these tests is about how fast this machine is. */
export const patienceMs = 60_000

/** How a client of Prisma is patient, too. */
export const unhurried = { maxWait: patienceMs, timeout: patienceMs }

/** Tests that need PostgreSQL and weir, with empty tables of their own. */
export function withDatabase(name: string, tests: (admin: pg.Client) => void): void {
  const missing = Object.values(urls).includes('')
  if (missing && process.env.CI)
    throw new Error('TEST_POSTGRES_URL, TEST_WEIR_URL and TEST_WEIR_HTTP_URL are not set')
  describe(name, { skip: missing && 'no database', timeout: 10 * patienceMs }, () => {
    const admin = new pg.Client(urls.postgres)
    before(async () => {
      await admin.connect()
      await admin.query(tables)
    })
    tests(admin)
    after(() => admin.end())
  })
}

const tables = `
  create table if not exists "User" (id serial primary key, email text unique not null);
  create table if not exists "Post" (id serial primary key, title text not null, "authorId" int not null references "User");
  create or replace view "Statement" as
    select 1 as id, query from pg_stat_activity where pid = pg_backend_pid();
`

/** A promise and what settles it. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open!: (value: T) => void
  const promise = new Promise<T>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

/** Waits until a condition holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Requests in weir's queue. */
export async function waitingInWeir(): Promise<number> {
  const status = (await (await fetch(`${urls.http}/api/v1/status`)).json()) as { waiting: number }
  return status.waiting
}

/** Lets all that can go on now go on. */
export const turn = () => new Promise((resolve) => setImmediate(resolve))

/** How a child process ended, and what it printed. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
}

/** Runs a script as an ES module; said is called with each thing that it prints. */
export function script(
  text: string,
  env: NodeJS.ProcessEnv = {},
  said: (text: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Ended> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], {
    cwd: new URL('..', import.meta.url),
    env: { ...process.env, ...env },
    timeout: patienceMs,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      said(text, (signal) => child.kill(signal))
    })
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, output }))
  })
}
