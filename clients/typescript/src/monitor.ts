// SPDX-License-Identifier: Apache-2.0

import { ConfigurationError } from './errors.js'
import type { ConnectionStatus } from './limiter.js'
import { Poller, type Polled } from './poller.js'
import { limiter, shared, type Call } from './shared.js'

/** A client that can be asked something: Prisma's, or a pool or client of node-postgres. */
export type Askable =
  { $queryRawUnsafe(sql: string): PromiseLike<unknown> } | { query(sql: string): PromiseLike<unknown> }

/** The limiter's numbers, and the last that weir said. */
export interface DatabaseStatus extends ConnectionStatus, Polled {}

export interface HealthOptions {
  /** Most to wait for PostgreSQL's answer, in milliseconds; 2000 by default. */
  timeoutMs?: number
  /** Whom to ask; the client of createPrismaClient by default. */
  client?: Askable
}

/** Most to wait for weir's status. */
const statusTimeoutMs = 2_000

/** What health checks and dashboards of an application need. */
export const databaseMonitor = {
  /**
   * Whether PostgreSQL answers `SELECT 1` in time. It takes no slot, so that a
   * busy process is not taken for a broken one. Rejects only with a
   * ConfigurationError, when there is nobody to ask.
   */
  async checkHealth({ timeoutMs = 2_000, client }: HealthOptions = {}): Promise<boolean> {
    const ask = asker(client)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, false)
    })
    // Outside the present call: the answer is no work of its function.
    const answer = shared().calls.run(undefined as unknown as Call, async () => {
      await ask()
      return true
    })
    try {
      return await Promise.race([answer, late])
    } catch {
      return false
    } finally {
      clearTimeout(timer)
    }
  },

  /**
   * The limiter's numbers now, and what weir said when it was last asked. The
   * first call begins to ask weir, every five seconds, until nobody has called
   * for a minute; it has nothing of weir's yet.
   */
  getStatus(): DatabaseStatus {
    return { ...limiter().status(), ...poller().read(statusTimeoutMs) }
  },

  /** As getStatus, but asks weir first. Rejects with a GatewayError when it does not answer in two seconds. */
  async fetchStatus(): Promise<DatabaseStatus> {
    const polled = await poller().ask(statusTimeoutMs, true)
    return { ...limiter().status(), ...polled }
  },
}

function poller(): Poller {
  return (shared().poller ??= new Poller())
}

function asker(client: Askable | undefined): () => PromiseLike<unknown> {
  if (client === undefined) {
    const [own] = shared().clients.values()
    if (own !== undefined) return () => own.ask()
    throw new ConfigurationError(
      'checkHealth knows no client to ask: make one with createPrismaClient, or pass it as { client }.',
    )
  }
  if ('$queryRawUnsafe' in client) return () => client.$queryRawUnsafe('SELECT 1')
  return () => client.query('SELECT 1')
}
