// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { databaseOptimizer, executeWithConnection } from '@weir/client'

/** As if this process began now. */
beforeEach(() => {
  delete (globalThis as Record<symbol, unknown>)[Symbol.for('@weir/client/1')]
  for (const name of ['WEIR_CLIENT_SLOTS', 'DATABASE_POOL_MAX', 'DATABASE_POOL_ACQUIRE_TIMEOUT'])
    delete process.env[name]
})

describe('slots', () => {
  const slots = (env: object) => {
    Object.assign(process.env, env)
    return databaseOptimizer.getConnectionStatus().max
  }
  test('are 10 without a setting', () => assert.equal(slots({}), 10))
  test('are those of the pool', () => assert.equal(slots({ DATABASE_POOL_MAX: '7' }), 7))
  test('are their own first', () =>
    assert.equal(slots({ WEIR_CLIENT_SLOTS: '3', DATABASE_POOL_MAX: '7' }), 3))
  test('are not set by an empty variable', () => {
    assert.equal(slots({ WEIR_CLIENT_SLOTS: '', DATABASE_POOL_MAX: '7' }), 7)
  })
  for (const bad of ['0', '-1', '2.5', 'ten', '1e3', 'NaN', '99999999999999999999']) {
    test(`cannot be ${bad}`, () => {
      assert.throws(() => slots({ WEIR_CLIENT_SLOTS: bad }), {
        name: 'ConfigurationError',
        code: 'WEIR_CONFIGURATION',
        message: `WEIR_CLIENT_SLOTS is "${bad}"; set it to a whole number of at least 1.`,
      })
    })
  }
})

describe('the wait for a slot', () => {
  /** How long a second call waits for the only slot. */
  const waited = async (env: object): Promise<unknown> => {
    Object.assign(process.env, { WEIR_CLIENT_SLOTS: '1', ...env })
    const stop = new AbortController()
    const first = executeWithConnection(
      () => new Promise<void>((r) => stop.signal.addEventListener('abort', () => r())),
    )
    try {
      await executeWithConnection(() => {})
      return undefined
    } catch (error) {
      return (error as { timeoutMs?: number; message?: string }).timeoutMs ?? (error as Error).message
    } finally {
      stop.abort()
      await first.catch(() => {})
    }
  }
  for (const [text, ms] of [
    ['20', 20],
    ['30ms', 30],
    ['0.02s', 20],
  ] as const) {
    test(`is ${ms} ms for ${text}`, async () => {
      assert.equal(await waited({ DATABASE_POOL_ACQUIRE_TIMEOUT: text }), ms)
    })
  }
  for (const bad of ['0', '-5', 'soon', '30 s', '5000000000']) {
    test(`cannot be ${bad}`, async () => {
      process.env.DATABASE_POOL_ACQUIRE_TIMEOUT = bad
      await assert.rejects(
        executeWithConnection(() => {}),
        { code: 'WEIR_CONFIGURATION', message: /DATABASE_POOL_ACQUIRE_TIMEOUT is .* such as 30000/ },
      )
    })
  }
})

describe('options', () => {
  for (const options of [
    { retries: -1 },
    { retries: NaN },
    { acquireTimeoutMs: 0 },
    { backoff: { maxMs: -1 } },
    -2,
  ]) {
    test(`cannot be ${JSON.stringify(options)}`, async () => {
      await assert.rejects(
        executeWithConnection(() => assert.fail('it ran'), options),
        { code: 'WEIR_CONFIGURATION' },
      )
    })
  }
})
