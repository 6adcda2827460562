// SPDX-License-Identifier: Apache-2.0

import { acquireTimeoutSetting, slotsSetting, variable } from '../environment.js'
import { ConfigurationError } from '../errors.js'
import { shared } from '../shared.js'
import { reporting, type AdapterFactory } from './adapter.js'
import { Busy } from './busy.js'
import { closeOnSignal } from './close.js'
import { extended, noteStatement, type Client } from './extension.js'
import type { WeirClient } from './types.js'

/** The class PrismaPg of `@prisma/adapter-pg`. */
export type AdapterClass = new (config: AdapterConfig, options?: { schema?: string }) => object

/** What PrismaPg gets: settings of node-postgres' pool. */
export interface AdapterConfig {
  connectionString: string
  max: number
  connectionTimeoutMillis: number
}

export interface PrismaClientOptions {
  /**
   * The class PrismaPg, which is then given the settings below; or an adapter
   * made of it, which has its own.
   */
  adapter: AdapterClass | object
  /** weir's address. `DATABASE_URL` by default. */
  url?: string
  /** Most connections to weir of this client. As many as slots by default. */
  max?: number
  /**
   * Most that a query waits for a connection of this client, in milliseconds.
   * `DATABASE_POOL_ACQUIRE_TIMEOUT` by default, else 30 s.
   */
  connectTimeoutMs?: number
  /** For a second client in one process. */
  name?: string
  /** Further options of PrismaClient, such as `log` or `transactionOptions`. */
  prisma?: Record<string, unknown>
}

/**
 * The one Prisma client of this process: another call with the same name
 * returns the same, also from another bundle and after a hot reload.
 *
 * It reports to executeWithConnection what has succeeded, so that this can
 * retry; takes a cacheStrategy in reads, and has `$weir.invalidate`; logs
 * queries if NODE_ENV is development; and closes its connections on SIGTERM.
 *
 * @throws ConfigurationError when there is no URL, or a setting cannot be used
 */
export function createPrismaClient<T extends object>(
  PrismaClient: new (options: any) => T,
  options: PrismaClientOptions,
): WeirClient<T> {
  const { clients } = shared()
  const name = options.name ?? 'default'
  let own = clients.get(name)
  if (own === undefined) {
    const busy = new Busy()
    const base = new PrismaClient(clientOptions(options)) as Client
    own = {
      client: extended(base, busy),
      ask: async () => await base.$queryRawUnsafe('SELECT 1'),
      close: () => busy.close(() => base.$disconnect()),
    }
    clients.set(name, own)
    closeOnSignal()
  }
  return own.client as WeirClient<T>
}

function clientOptions(options: PrismaClientOptions): object {
  const further = options.prisma ?? {}
  const comments = Array.isArray(further.comments) ? further.comments : []
  return {
    log: variable('NODE_ENV') === 'development' ? ['query', 'warn', 'error'] : ['warn', 'error'],
    ...further,
    adapter: reporting(adapterOf(options)),
    comments: [...comments, noteStatement],
  }
}

function adapterOf(options: PrismaClientOptions): AdapterFactory {
  const { adapter } = options
  const made =
    typeof adapter === 'function' ? new (adapter as AdapterClass)(...adapterArguments(options)) : adapter
  if (typeof (made as Partial<AdapterFactory>).connect === 'function') return made as AdapterFactory
  throw new ConfigurationError(
    'createPrismaClient needs a driver adapter: { adapter: PrismaPg } with PrismaPg of @prisma/adapter-pg.',
  )
}

function adapterArguments(options: PrismaClientOptions): ConstructorParameters<AdapterClass> {
  const connectionString = options.url ?? variable('DATABASE_URL')
  if (connectionString === undefined) {
    throw new ConfigurationError(
      "DATABASE_URL is not set; set it, or createPrismaClient's url, to weir's address, such as postgres://user:password@127.0.0.1:6432/database.",
    )
  }
  const schema = URL.canParse(connectionString) ? new URL(connectionString).searchParams.get('schema') : null
  const config = {
    connectionString,
    max: options.max ?? slotsSetting(),
    connectionTimeoutMillis: options.connectTimeoutMs ?? acquireTimeoutSetting(),
  }
  return schema === null ? [config] : [config, { schema }]
}
