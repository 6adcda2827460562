// SPDX-License-Identifier: Apache-2.0

import { shared } from './shared.js'

/**
 * What is known of one run of a call's function. Clients made by
 * createPrismaClient report here what they do in its course. What a nested
 * call does counts for the calls around it too.
 */
export class Attempt {
  /** a client reported something: there is nothing to know of that client beyond what follows */
  reported = false
  /** something has succeeded, or may have */
  happened = false
  /** pieces of work that are not over */
  underWay = 0
  /** transactions that began here and are not over */
  transactions = 0
  /** it works in a transaction of a call around it, which fails as a whole */
  inside = false

  readonly outer: Attempt | undefined

  constructor(outer: Attempt | undefined) {
    this.outer = outer
  }

  /** Whether nothing that clients reported has succeeded or still can. */
  get nothingHappened(): boolean {
    return this.reported && !this.happened && this.underWay === 0
  }
}

/** Ends a piece of work, once; happened says whether it has succeeded, or may have. */
export type End = (happened: boolean) => void

/** Reports that a piece of work begins in the course of the present call, if there is one. */
export function begin(): End {
  const attempt = shared().calls.getStore()?.attempt
  for (let a = attempt; a !== undefined; a = a.outer) {
    a.reported = true
    a.underWay++
  }
  return (happened) => {
    for (let a = attempt; a !== undefined; a = a.outer) {
      a.happened ||= happened
      a.underWay--
    }
  }
}

/** As {@link begin}, for a transaction. Its statements do not count: they happen when it commits. */
export function beginTransaction(): End {
  const attempt = shared().calls.getStore()?.attempt
  const end = begin()
  if (attempt !== undefined) attempt.transactions++
  return (happened) => {
    if (attempt !== undefined) attempt.transactions--
    end(happened)
  }
}

/**
 * Reports that the present call uses an interactive transaction. Calls that
 * did not begin one work inside that of a call around them.
 */
export function useTransaction(): void {
  let attempt = shared().calls.getStore()?.attempt
  for (; attempt !== undefined && attempt.transactions === 0; attempt = attempt.outer) {
    attempt.inside = true
  }
}
