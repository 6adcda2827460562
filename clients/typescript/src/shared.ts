// SPDX-License-Identifier: Apache-2.0

import { AsyncLocalStorage } from 'node:async_hooks'
import { slotsSetting } from './environment.js'
import { Limiter, type Hold } from './limiter.js'
import type { Attempt } from './attempt.js'
import type { Poller } from './poller.js'

/** The call in whose course code runs: its slot, and what its present attempt has done. */
export interface Call {
  hold: Hold
  attempt: Attempt
}

/** A client of this process that is closed on SIGTERM. */
export interface OwnClient {
  readonly client: unknown
  /** Asks PostgreSQL something small. */
  ask(): Promise<unknown>
  /** Waits for what runs, and closes all connections. */
  close(): Promise<void>
}

/**
 * What all copies of this package in a process have in common: its ES module
 * and its CommonJS build, bundles, and what a hot reload has loaded anew. The
 * first copy makes it. Its key changes when its shape does, so that copies of
 * different versions cannot misunderstand each other.
 */
export interface Shared {
  /** made at its first use, when the environment is complete */
  limiter?: Limiter
  readonly calls: AsyncLocalStorage<Call>
  /** errors after the last retry, so that a call around does not begin anew */
  readonly givenUp: WeakSet<object>
  /** asks weir for its status; made when somebody wants to know */
  poller?: Poller
  /** clients made by createPrismaClient, by name */
  readonly clients: Map<string, OwnClient>
  /** there is a listener for SIGTERM that closes them */
  closesOnSignal?: boolean
}

const key = Symbol.for('@weir/client/1')

export function shared(): Shared {
  const place = globalThis as { [key]?: Shared }
  return (place[key] ??= {
    calls: new AsyncLocalStorage(),
    givenUp: new WeakSet(),
    clients: new Map(),
  })
}

/** The limiter of this process. Throws a ConfigurationError when its settings cannot be used. */
export function limiter(): Limiter {
  return (shared().limiter ??= new Limiter(slotsSetting()))
}
