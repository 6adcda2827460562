// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import {
  AcquireTimeoutError,
  databaseOptimizer,
  executeBatchWithConnection,
  executeWithConnection,
} from '@weir/client'
import { gate, patienceMs, turn, until } from './support.js'

process.env.WEIR_CLIENT_SLOTS = '3'

const status = () => databaseOptimizer.getConnectionStatus()

/** Calls that hold slots until they are let go. */
function hold(count: number) {
  const { promise, open } = gate()
  const calls = Array.from({ length: count }, () => executeWithConnection(() => promise))
  return { done: Promise.all(calls), letGo: () => open() }
}

describe('slots', { timeout: patienceMs }, () => {
  afterEach(() => until('all slots are free', () => status().current === 0 && status().queued === 0))

  test('are never used by more calls than there are, and go to the oldest', async () => {
    let running = 0
    let most = 0
    const order: number[] = []
    const one = (i: number) =>
      executeWithConnection(async () => {
        order.push(i)
        most = Math.max(most, ++running)
        await turn()
        running--
        return i
      })
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => one(i)))
    assert.equal(most, 3)
    assert.deepEqual(order, results)
  })

  test('are counted at once', async () => {
    const { done, letGo } = hold(5)
    assert.deepEqual(status(), { current: 3, max: 3, available: 0, queued: 2 })
    letGo()
    await done
    assert.deepEqual(status(), { current: 0, max: 3, available: 3, queued: 0 })
  })

  test('are given back by what fails, also at once', async () => {
    const failing: (() => unknown)[] = [
      () => {
        throw new Error('no')
      },
      async () => {
        throw new Error('no')
      },
    ]
    for (const fn of failing) await assert.rejects(executeWithConnection(fn), { message: 'no' })
    assert.equal(status().current, 0)
  })

  test('are given up in time by who waits, with the numbers and what to set', async () => {
    const { done, letGo } = hold(4)
    const error: unknown = await executeWithConnection(() => {}, { acquireTimeoutMs: 20 }).catch(
      (e: unknown) => e,
    )
    assert.ok(error instanceof AcquireTimeoutError)
    const { code, current, max, queued, timeoutMs } = error
    assert.deepEqual(
      { code, current, max, queued, timeoutMs },
      { code: 'WEIR_ACQUIRE_TIMEOUT', current: 3, max: 3, queued: 1, timeoutMs: 20 },
    )
    assert.match(
      error.message,
      /3 of 3 .* 1 more .*WEIR_CLIENT_SLOTS.*DATABASE_POOL_MAX.*DATABASE_POOL_ACQUIRE_TIMEOUT/s,
    )
    letGo()
    await done
  })

  test('are not waited for any more by who is aborted', async () => {
    const { done, letGo } = hold(3)
    const controller = new AbortController()
    const waiting = executeWithConnection(() => assert.fail('it ran'), { signal: controller.signal })
    await until('it waits', () => status().queued === 1)
    controller.abort(new Error('enough'))
    assert.equal(status().queued, 0)
    await assert.rejects(waiting, { message: 'enough' })
    await assert.rejects(
      executeWithConnection(() => assert.fail('it ran'), { signal: controller.signal }),
      { message: 'enough' },
    )
    letGo()
    await done
  })

  test('stay taken by a function that runs on after its caller is aborted', async () => {
    const { promise, open } = gate()
    const controller = new AbortController()
    const call = executeWithConnection(() => promise, { signal: controller.signal })
    await turn()
    controller.abort(new Error('enough'))
    await assert.rejects(call, { message: 'enough' })
    assert.equal(status().current, 1)
    open()
    await until('it is over', () => status().current === 0)
  })
})

describe('nested calls', { timeout: patienceMs }, () => {
  afterEach(() => until('all slots are free', () => status().current === 0 && status().queued === 0))

  test('use the slot of the call around them', async () => {
    const depth = async (n: number): Promise<number> =>
      n === 0 ? status().current : executeWithConnection(() => depth(n - 1))
    assert.equal(await depth(10), 1)
    for (const current of await Promise.all([depth(10), depth(10), depth(10), depth(10)]))
      assert.ok(current <= 3)
  })

  test('in a batch end, however full the limiter is, and are never more than slots', async () => {
    let running = 0
    let most = 0
    const leaf = () =>
      executeWithConnection(async () => {
        most = Math.max(most, ++running)
        await turn()
        running--
      })
    const branch = () => executeBatchWithConnection([leaf, leaf, leaf, leaf, leaf])
    await executeBatchWithConnection(
      Array.from({ length: 12 }, () => branch),
      12,
    )
    assert.ok(most <= 3, `${most} ran at once`)
  })

  test('that nobody awaits keep the slot until they are over', async () => {
    const { promise, open } = gate()
    await executeWithConnection(() => void executeWithConnection(() => promise))
    assert.equal(status().current, 1)
    open()
    await until('it is over', () => status().current === 0)
  })

  test('that come after the end of the call around them take slots of their own', async () => {
    const later = gate()
    let detached: Promise<void> | undefined
    await executeWithConnection(() => {
      detached = later.promise.then(() => executeWithConnection(() => assert.equal(status().current, 3)))
    })
    const { done, letGo } = hold(3)
    later.open()
    await until('it waits', () => status().queued === 1)
    letGo()
    await Promise.all([done, detached?.catch(() => {})])
  })
})

describe('a batch', { timeout: patienceMs }, () => {
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  test('gives results in the order of its operations', async () => {
    const results = await executeBatchWithConnection([
      () => wait(30).then(() => 'slow'),
      () => 2,
      async () => ({ three: 3 }),
    ])
    assert.deepEqual(results, ['slow', 2, { three: 3 }])
    assert.deepEqual(await executeBatchWithConnection([]), [])
  })

  test('begins the next operation as soon as one is over', async () => {
    const slow = gate()
    let begun = 0
    const quick = async () => void begun++
    const all = executeBatchWithConnection([() => slow.promise, ...Array.from({ length: 9 }, () => quick)], 2)
    await until('all quick ones ran beside the slow one', () => begun === 9)
    slow.open()
    await all
  })

  test('runs at most as many at once as it may', async () => {
    let running = 0
    let most = 0
    const operation = async () => {
      most = Math.max(most, ++running)
      await turn()
      running--
    }
    await executeBatchWithConnection(
      Array.from({ length: 10 }, () => operation),
      2,
    )
    assert.equal(most, 2)
  })

  test('rejects with its first failure, begins no more and tells those that run', async () => {
    const begun: number[] = []
    let told: unknown
    const operations = [
      async ({ signal }: { signal: AbortSignal | undefined }) => {
        begun.push(0)
        await new Promise<void>((resolve) => signal!.addEventListener('abort', () => resolve()))
        told = signal!.reason
      },
      async () => {
        begun.push(1)
        throw new Error('first')
      },
      async () => void begun.push(2),
    ]
    await assert.rejects(executeBatchWithConnection(operations, 2), { message: 'first' })
    await until('the other was told', () => told !== undefined)
    assert.deepEqual(begun, [0, 1])
    assert.equal((told as Error).message, 'first')
  })

  test('settles all if it is asked to', async () => {
    const results = await executeBatchWithConnection(
      [() => 1, () => Promise.reject(new Error('two')), () => 3],
      1,
      {
        settle: true,
      },
    )
    assert.deepEqual(
      results.map((r) => (r.status === 'fulfilled' ? r.value : (r.reason as Error).message)),
      [1, 'two', 3],
    )
  })

  for (const concurrency of [0, -1, 1.5, NaN]) {
    test(`refuses a concurrency of ${concurrency}`, async () => {
      await assert.rejects(executeBatchWithConnection([], concurrency), { code: 'WEIR_CONFIGURATION' })
    })
  }
})
