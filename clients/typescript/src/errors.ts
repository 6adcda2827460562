// SPDX-License-Identifier: Apache-2.0

/** What every error that this package makes has: a code that programs can compare. */
export abstract class WeirError extends Error {
  abstract readonly code: string

  protected constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** A setting, or an argument, that cannot be used. Nothing was executed. */
export class ConfigurationError extends WeirError {
  readonly code = 'WEIR_CONFIGURATION'

  constructor(message: string) {
    super(message)
  }
}

/** What {@link AcquireTimeoutError} knows of the limiter at its moment. */
export interface AcquireTimeoutDetails {
  /** slots in use */
  current: number
  /** slots there are */
  max: number
  /** calls that still wait */
  queued: number
  /** how long this call waited, in milliseconds */
  timeoutMs: number
}

/** No slot became free in time. Nothing was executed, so the call may be repeated. */
export class AcquireTimeoutError extends WeirError implements AcquireTimeoutDetails {
  readonly code = 'WEIR_ACQUIRE_TIMEOUT'
  readonly current: number
  readonly max: number
  readonly queued: number
  readonly timeoutMs: number

  constructor({ current, max, queued, timeoutMs }: AcquireTimeoutDetails) {
    super(
      `No slot for a database call became free within ${timeoutMs} ms: ${current} of ${max} are in use and ` +
        `${queued} more calls wait. Make the calls that hold them shorter, or raise WEIR_CLIENT_SLOTS ` +
        `(else DATABASE_POOL_MAX counts), or wait longer with DATABASE_POOL_ACQUIRE_TIMEOUT or acquireTimeoutMs.`,
    )
    this.current = current
    this.max = max
    this.queued = queued
    this.timeoutMs = timeoutMs
  }
}

/** weir's HTTP address did not answer, or not as weir answers. */
export class GatewayError extends WeirError {
  readonly code = 'WEIR_GATEWAY'
  /** what was asked */
  readonly url: string
  /** the HTTP status, if there was an answer */
  readonly status: number | undefined

  constructor(url: string, problem: string, options?: ErrorOptions & { status?: number }) {
    super(
      `${url}: ${problem}. Set WEIR_HTTP_URL to the address where weir serves HTTP (its setting WEIR_HTTP, by default 127.0.0.1:6433).`,
      options,
    )
    this.url = url
    this.status = options?.status
  }
}
