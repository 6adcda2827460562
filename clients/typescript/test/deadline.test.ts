// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { executeWithConnection, type ExecuteOptions } from '@weir/client'
import { gate, patienceMs, turn } from './support.js'

process.env.WEIR_CLIENT_SLOTS = '1'

/** What Prisma makes of a 53300, and of a serialization failure. */
const busy = () => Object.assign(new Error('too many connections'), { code: 'P2037' })
const conflict = () => Object.assign(new Error('write conflict'), { code: 'P2034' })

// Time is the tests' own: performance.now() and the timers.
let now = 0
mock.method(performance, 'now', () => now)

/** Lets time pass until a call is over. Returns how long that took, and its error. */
async function run(call: Promise<unknown>): Promise<{ tookMs: number; error: unknown }> {
  const began = now
  let ended: { error: unknown } | undefined
  call.then(
    () => (ended = { error: undefined }),
    (error: unknown) => (ended = { error }),
  )
  for (;;) {
    for (let i = 0; i < 5; i++) await turn()
    if (ended !== undefined) return { tookMs: now - began, ...ended }
    pass(100)
  }
}

function pass(ms: number) {
  now += ms
  mock.timers.tick(ms)
}

/** A database that lets everybody wait, and then fails. */
const waits = (ms: number, failure: () => Error, ran: () => void) => () =>
  new Promise((_, reject) => {
    ran()
    setTimeout(() => reject(failure()), ms)
  })

describe('acquireTimeoutMs is one deadline for a call', { timeout: patienceMs }, () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const options: ExecuteOptions = { acquireTimeoutMs: 30_000, atomic: true }
  const cases: [string, number, () => Error, number, number, number][] = [
    // a wait of, failure, runs, at least, at most
    ['a pool that lets wait for all of it', 30_000, busy, 1, 30_000, 30_100],
    ['a pool that lets wait for a part of it', 12_000, busy, 3, 36_000, 43_000],
    ['a pool that refuses at once', 0, busy, 4, 0, 1_500],
    ['conflicts, which work and do not wait', 40_000, conflict, 4, 160_000, 161_000],
  ]
  for (const [what, ms, failure, runs, least, most] of cases) {
    test(what, async () => {
      let ran = 0
      const { tookMs, error } = await run(
        executeWithConnection(
          waits(ms, failure, () => ran++),
          options,
        ),
      )
      assert.equal((error as { code?: string }).code, (failure() as { code?: string }).code)
      assert.equal(ran, runs)
      assert.ok(tookMs >= least && tookMs <= most, `it took ${tookMs} ms`)
    })
  }

  test('the wait for a slot counts', async () => {
    const { promise, open } = gate()
    const holder = executeWithConnection(() => promise)
    let ran = 0
    const call = run(
      executeWithConnection(
        waits(10_000, busy, () => ran++),
        options,
      ),
    )
    await turn()
    setTimeout(() => open(), 25_000)
    const { tookMs } = await call
    await holder
    assert.equal(ran, 1)
    assert.ok(tookMs >= 35_000 && tookMs <= 35_500, `it took ${tookMs} ms`)
  })

  test('a call inside that has given up is not tried again outside', async () => {
    let ran = 0
    const inner = () =>
      executeWithConnection(
        waits(30_000, busy, () => ran++),
        options,
      )
    const { tookMs } = await run(executeWithConnection(inner, { ...options, acquireTimeoutMs: 120_000 }))
    assert.equal(ran, 1)
    assert.ok(tookMs <= 30_100, `it took ${tookMs} ms`)
  })
})
