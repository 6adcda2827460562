// SPDX-License-Identifier: Apache-2.0

import { Attempt } from './attempt.js'
import { acquireTimeoutSetting, longestMs } from './environment.js'
import { ConfigurationError } from './errors.js'
import type { Hold } from './limiter.js'
import { isConflict, outcomeOf } from './outcome.js'
import { defaultBackoff, orAborted, pause, pauseBefore, type Backoff } from './pause.js'
import { limiter, shared } from './shared.js'

/** What a function gets that runs in a slot. */
export interface ExecuteContext {
  /** the caller's signal */
  signal: AbortSignal | undefined
  /** 0 at first, then the number of the retry */
  attempt: number
}

export interface ExecuteOptions {
  /** Most runs after the first; 0 for none. 3 by default. */
  retries?: number
  /**
   * Most to wait for a slot and for a connection, in milliseconds, over all tries: no retry
   * begins later. `DATABASE_POOL_ACQUIRE_TIMEOUT` by default, else 30 s. The time of tries that
   * ended in a conflict (40001, 40P01, P2034) does not count: they worked, and did not wait.
   */
  acquireTimeoutMs?: number
  /**
   * Ends the wait for a slot and the pause before a retry at once. If the
   * function runs, the caller gets the signal's reason at once, and the slot is
   * free when the function is over: what it has asked of the database may happen.
   */
  signal?: AbortSignal | undefined
  /**
   * The function is one statement or one transaction, through whatever client:
   * it happens as a whole or not at all. It is then also retried if it uses a
   * client that does not report what has succeeded.
   */
  atomic?: boolean
  /**
   * Running the function twice does no harm, whatever it has done before. It is
   * then also retried when the outcome is unknown, such as after a lost connection.
   */
  idempotent?: boolean
  /** Pauses before retries: 100 ms at first, 3 s at most, by default. */
  backoff?: Partial<Backoff>
}

export type Operation<T = unknown> = (context: ExecuteContext) => T

/**
 * Takes a slot, runs a function, and runs it again when the database was too
 * busy for it. Calls inside the function use its slot, so they cannot deadlock.
 *
 * A retry takes an error that proves that the work was never executed or was
 * undone (Prisma P2037, P1001, P2024, P2034; SQLSTATE 53300, 40001, 40P01), and
 * that nothing else in the function has succeeded: either because its client
 * comes from {@link createPrismaClient} and reports so, or because the caller
 * says that the function is `atomic`, or `idempotent`. None begins after
 * `acquireTimeoutMs`, in which all waits of the call have to fit.
 *
 * Rejects with what the function rejected with at last, with an
 * {@link AcquireTimeoutError}, with the signal's reason, or with a
 * {@link ConfigurationError}.
 *
 * @param options or the number of retries
 */
export async function executeWithConnection<T>(
  fn: Operation<T>,
  options: ExecuteOptions | number = {},
): Promise<Awaited<T>> {
  const settings = complete(typeof options === 'number' ? { retries: options } : options)
  const { signal, acquireTimeoutMs } = settings
  const outer = shared().calls.getStore()
  const deadline = performance.now() + acquireTimeoutMs
  const hold = await limiter().acquire({ timeoutMs: acquireTimeoutMs, signal, outer: outer?.hold })
  const work = attempts(fn, settings, deadline, hold, outer?.attempt).finally(() => hold.end())
  return orAborted(work, signal)
}

type Settings = Required<Omit<ExecuteOptions, 'signal' | 'backoff'>> & {
  signal: AbortSignal | undefined
  backoff: Backoff
}

/** Fills in the defaults. Throws a ConfigurationError for what cannot be meant. */
function complete(options: ExecuteOptions): Settings {
  const settings: Settings = {
    retries: options.retries ?? 3,
    acquireTimeoutMs: options.acquireTimeoutMs ?? acquireTimeoutSetting(),
    signal: options.signal,
    atomic: options.atomic ?? false,
    idempotent: options.idempotent ?? false,
    backoff: { ...defaultBackoff, ...options.backoff },
  }
  const { retries, acquireTimeoutMs, backoff } = settings
  if (!(Number.isSafeInteger(retries) && retries >= 0)) {
    throw new ConfigurationError(`retries is ${retries}; it must be a whole number of at least 0.`)
  }
  if (!(acquireTimeoutMs > 0 && acquireTimeoutMs <= longestMs)) {
    throw new ConfigurationError(`acquireTimeoutMs is ${acquireTimeoutMs}; it must be milliseconds above 0.`)
  }
  if (!(backoff.baseMs >= 0 && backoff.maxMs >= 0 && backoff.maxMs <= longestMs)) {
    throw new ConfigurationError(
      `backoff is ${JSON.stringify(backoff)}; baseMs and maxMs must be milliseconds of at least 0.`,
    )
  }
  return settings
}

async function attempts<T>(
  fn: Operation<T>,
  settings: Settings,
  deadline: number,
  hold: Hold,
  outer: Attempt | undefined,
): Promise<Awaited<T>> {
  const { calls, givenUp } = shared()
  for (let n = 0; ; n++) {
    const attempt = new Attempt(outer)
    const began = performance.now()
    try {
      // Prisma's promises begin to work when they are awaited: that has to be inside, too.
      return await calls.run({ hold, attempt }, async () => await fn({ signal: settings.signal, attempt: n }))
    } catch (error) {
      if (settings.signal?.aborted || isGivenUp(error, givenUp) || !mayRepeat(error, attempt, settings))
        throw error
      if (isConflict(error)) deadline += performance.now() - began
      const ms = pauseBefore(n, settings.backoff)
      if (n >= settings.retries || performance.now() + ms >= deadline) {
        if (typeof error === 'object' && error !== null) givenUp.add(error)
        throw error
      }
      await pause(ms, settings.signal)
    }
  }
}

/** A call inside has retried as often as it may. */
function isGivenUp(error: unknown, givenUp: WeakSet<object>): boolean {
  return typeof error === 'object' && error !== null && givenUp.has(error)
}

/** The one place that decides whether work may be done again. */
function mayRepeat(error: unknown, attempt: Attempt, { atomic, idempotent }: Settings): boolean {
  const outcome = outcomeOf(error)
  if (outcome === undefined || attempt.inside) return false
  if (idempotent) return true
  return outcome === 'undone' && (atomic || attempt.nothingHappened)
}
