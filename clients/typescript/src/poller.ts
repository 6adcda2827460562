// SPDX-License-Identifier: Apache-2.0

import { fetchGatewayStatus, type GatewayStatus } from './status.js'

const intervalMs = 5_000
/** Polling ends when nobody has asked for this long, and begins again with the next who does. */
const patienceMs = 60_000

/** The last that weir said, and what is known of it since. */
export interface Polled {
  /** null until weir has answered once */
  gateway: GatewayStatus | null
  /** how long ago that was, in milliseconds */
  gatewayAgeMs: number | null
  /** why weir did not answer when it was asked last; null when it did */
  gatewayError: string | null
}

/** Asks weir from time to time while somebody wants to know. It never keeps Node from ending, and never throws. */
export class Poller {
  #last: GatewayStatus | null = null
  #lastAt = 0
  #error: string | null = null
  #wantedAt = 0
  #running = false

  /** What is known now; polling begins. */
  read(timeoutMs: number): Polled {
    this.#wantedAt = performance.now()
    if (!this.#running) void this.#run(timeoutMs)
    return this.#polled()
  }

  /** Asks weir now. Rejects with a GatewayError, or with a ConfigurationError. */
  async ask(timeoutMs: number, keepAlive: boolean): Promise<Polled> {
    try {
      this.#last = await fetchGatewayStatus(timeoutMs, keepAlive)
      this.#lastAt = performance.now()
      this.#error = null
      return this.#polled()
    } catch (error) {
      this.#error = error instanceof Error ? error.message : String(error)
      throw error
    }
  }

  #polled(): Polled {
    return {
      gateway: this.#last,
      gatewayAgeMs: this.#last === null ? null : Math.round(performance.now() - this.#lastAt),
      gatewayError: this.#error,
    }
  }

  async #run(timeoutMs: number): Promise<void> {
    this.#running = true
    while (performance.now() - this.#wantedAt < patienceMs) {
      await this.ask(timeoutMs, false).catch(() => {}) // read says why
      await new Promise<void>((resolve) => setTimeout(resolve, intervalMs).unref())
    }
    this.#running = false
  }
}
