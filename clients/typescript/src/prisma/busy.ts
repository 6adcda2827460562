// SPDX-License-Identifier: Apache-2.0

/** Counts what runs through a client, and closes it when nothing does. */
export class Busy {
  #running = 0
  #idle: (() => void) | undefined

  async during<T>(work: () => PromiseLike<T>): Promise<T> {
    this.#running++
    try {
      return await work()
    } finally {
      this.#running--
      if (this.#running === 0) this.#idle?.()
    }
  }

  /**
   * Disconnects as soon as nothing runs, and again whenever something has run
   * later, for which Prisma connects anew. Resolves after the first time.
   */
  close(disconnect: () => Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.#idle = () => void disconnect().then(resolve, resolve)
      if (this.#running === 0) this.#idle()
    })
  }
}
