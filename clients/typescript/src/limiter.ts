// SPDX-License-Identifier: Apache-2.0

import { AcquireTimeoutError } from './errors.js'

/** What {@link Limiter.status} says. All are numbers of calls. */
export interface ConnectionStatus {
  /** slots in use */
  current: number
  /** slots there are */
  max: number
  /** slots nobody uses */
  available: number
  /** calls that wait for a slot */
  queued: number
}

export interface AcquireOptions {
  timeoutMs: number
  signal?: AbortSignal | undefined
  /** the call that this one is nested in */
  outer?: Hold | undefined
}

interface Waiter {
  outer: Hold | undefined
  resolve(hold: Hold): void
}

/**
 * The right of one call to use one connection: a slot of its own, or the slot
 * of the call that it is nested in. A hold lends its slot to one nested call at
 * a time, so nested calls need no second slot and yet are never more than slots.
 */
export class Hold {
  #limiter: Limiter
  #lender: Hold | undefined
  #outer: Hold | undefined
  #ended = false
  #lent = false

  /** @internal Only the limiter makes holds: with a lender, or with a slot taken. */
  constructor(limiter: Limiter, outer: Hold | undefined, lender: Hold | undefined) {
    this.#limiter = limiter
    this.#outer = outer
    this.#lender = lender
    if (lender !== undefined) lender.#lent = true
  }

  /** The innermost call around this one, itself included, that is not over. */
  live(): Hold | undefined {
    return this.#ended ? this.#outer?.live() : this
  }

  get canLend(): boolean {
    return !this.#ended && !this.#lent
  }

  /** The call is over. A nested call that runs on, because nobody awaited it, keeps the slot. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    if (!this.#lent) this.#giveBack()
  }

  #giveBack(): void {
    if (this.#lender === undefined) this.#limiter.release()
    else this.#lender.#returned()
  }

  #returned(): void {
    this.#lent = false
    if (this.#ended) this.#giveBack()
    else this.#limiter.lend(this)
  }
}

/**
 * A number of slots and one queue for them, first come, first served. A nested
 * call also leaves the queue when the call around it can lend its slot.
 */
export class Limiter {
  readonly max: number
  #current = 0
  #queue = new Set<Waiter>()

  constructor(max: number) {
    this.max = max
  }

  status(): ConnectionStatus {
    return {
      current: this.#current,
      max: this.max,
      available: this.max - this.#current,
      queued: this.#queue.size,
    }
  }

  /**
   * Takes a slot, which {@link Hold.end} gives back. Rejects with an
   * {@link AcquireTimeoutError}, or with the signal's reason.
   */
  async acquire({ timeoutMs, signal, outer }: AcquireOptions): Promise<Hold> {
    signal?.throwIfAborted()
    const around = outer?.live()
    if (around?.canLend) return new Hold(this, around, around)
    if (this.#current < this.max) {
      this.#current++
      return new Hold(this, around, undefined)
    }
    return this.#wait(around, timeoutMs, signal)
  }

  #wait(outer: Hold | undefined, timeoutMs: number, signal: AbortSignal | undefined): Promise<Hold> {
    return new Promise((resolve, reject) => {
      const leave = (settle: () => void) => {
        this.#queue.delete(waiter)
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        settle()
      }
      const waiter: Waiter = { outer, resolve: (hold) => leave(() => resolve(hold)) }
      const abort = () => leave(() => reject(signal!.reason))
      const late = () => leave(() => reject(new AcquireTimeoutError({ ...this.status(), timeoutMs })))
      const timer = setTimeout(late, timeoutMs)
      signal?.addEventListener('abort', abort)
      this.#queue.add(waiter)
    })
  }

  /** @internal A slot is free: the oldest waiter gets it. */
  release(): void {
    const [oldest] = this.#queue
    if (oldest === undefined) this.#current--
    else oldest.resolve(new Hold(this, oldest.outer, undefined))
  }

  /** @internal A call can lend its slot again: the oldest waiter nested in it gets it. */
  lend(lender: Hold): void {
    for (const waiter of this.#queue) {
      if (waiter.outer?.live() !== lender) continue
      waiter.resolve(new Hold(this, lender, lender))
      return
    }
  }
}
