// SPDX-License-Identifier: Apache-2.0

/** How long to wait before another attempt. */
export interface Backoff {
  /** most before the first retry, in milliseconds; each later one may take twice as long */
  baseMs: number
  /** most before any retry, in milliseconds */
  maxMs: number
}

export const defaultBackoff: Backoff = { baseMs: 100, maxMs: 3000 }

/**
 * Milliseconds before retry number n, counted from 0: between half of the
 * exponential value and all of it, so that processes which failed together do
 * not come back together.
 */
export function pauseBefore(n: number, { baseMs, maxMs }: Backoff): number {
  const longest = Math.min(maxMs, baseMs * 2 ** n)
  return longest * (0.5 + Math.random() / 2)
}

/** Resolves after a time, or rejects with the signal's reason as soon as it is aborted. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return unlessAborted(signal, (resolve) => {
    const timer = setTimeout(resolve, ms)
    return () => clearTimeout(timer)
  })
}

/** What work settles to, or the signal's reason if that is aborted first. The work itself goes on. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return unlessAborted(signal, (resolve, reject) => {
    work.then(resolve, reject)
    return () => {}
  })
}

function unlessAborted<T>(
  signal: AbortSignal | undefined,
  start: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settle = (end: () => void) => {
      stop()
      signal?.removeEventListener('abort', abort)
      end()
    }
    const abort = () => settle(() => reject(signal!.reason))
    const stop = start(
      (value) => settle(() => resolve(value)),
      (reason) => settle(() => reject(reason)),
    )
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort)
  })
}
