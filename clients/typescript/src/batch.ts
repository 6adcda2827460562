// SPDX-License-Identifier: Apache-2.0

import { ConfigurationError } from './errors.js'
import { executeWithConnection, type ExecuteOptions, type Operation } from './execute.js'

/** The results of operations, as a tuple in their order. */
export type Results<T extends readonly Operation[]> = { -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> }

/** What became of operations, as a tuple in their order. */
export type SettledResults<T extends readonly Operation[]> = {
  -readonly [K in keyof T]: PromiseSettledResult<Awaited<ReturnType<T[K]>>>
}

export interface BatchOptions extends ExecuteOptions {
  /** Run all operations, whatever fails, and give each one's result or error, as Promise.allSettled does. */
  settle?: boolean
}

/**
 * Runs functions, at most `concurrency` at once: as soon as one is over the
 * next begins. Each is a call of {@link executeWithConnection} with a slot of
 * its own, and with its retries. Results come in the order of the functions.
 *
 * The first failure rejects. Functions that have not begun then never do, and
 * the `signal` of those that run is aborted. With `settle` all run.
 */
export function executeBatchWithConnection<const T extends readonly Operation[]>(
  operations: T,
  concurrency: number | undefined,
  options: BatchOptions & { settle: true },
): Promise<SettledResults<T>>
export function executeBatchWithConnection<const T extends readonly Operation[]>(
  operations: T,
  concurrency?: number,
  options?: BatchOptions & { settle?: false },
): Promise<Results<T>>
export async function executeBatchWithConnection(
  operations: readonly Operation[],
  concurrency = 5,
  { settle = false, ...options }: BatchOptions = {},
): Promise<unknown[]> {
  if (!(Number.isSafeInteger(concurrency) && concurrency >= 1)) {
    throw new ConfigurationError(`concurrency is ${concurrency}; it must be a whole number of at least 1.`)
  }
  return settle ? settleAll(operations, concurrency, options) : allOrNone(operations, concurrency, options)
}

async function allOrNone(
  operations: readonly Operation[],
  concurrency: number,
  options: ExecuteOptions,
): Promise<unknown[]> {
  const failed = new AbortController()
  const signal = options.signal ? AbortSignal.any([failed.signal, options.signal]) : failed.signal
  const results: unknown[] = []
  await slide(operations.length, concurrency, async (i) => {
    try {
      signal.throwIfAborted()
      results[i] = await executeWithConnection(operations[i]!, { ...options, signal })
    } catch (error) {
      failed.abort(error) // a second failure changes nothing
      throw error
    }
  })
  return results
}

async function settleAll(
  operations: readonly Operation[],
  concurrency: number,
  options: ExecuteOptions,
): Promise<PromiseSettledResult<unknown>[]> {
  const results: PromiseSettledResult<unknown>[] = []
  await slide(operations.length, concurrency, async (i) => {
    results[i] = await executeWithConnection(operations[i]!, options).then(
      (value) => ({ status: 'fulfilled', value }),
      (reason: unknown) => ({ status: 'rejected', reason }),
    )
  })
  return results
}

/** Does run(0) to run(count - 1) in this order, at most width at once. The first rejection rejects. */
async function slide(count: number, width: number, run: (i: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane))
}
