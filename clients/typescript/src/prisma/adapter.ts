// SPDX-License-Identifier: Apache-2.0

import { begin, beginTransaction } from '../attempt.js'
import { outcomeOf } from '../outcome.js'
import { carried } from './carried.js'

/** What is used here of Prisma's driver adapters (@prisma/driver-adapter-utils). */
export interface SqlQuery {
  sql: string
}

interface Queryable {
  queryRaw(query: SqlQuery): Promise<unknown>
  executeRaw(query: SqlQuery): Promise<number>
}

interface Transaction extends Queryable {
  commit(): Promise<void>
  rollback(): Promise<void>
}

export interface Adapter extends Queryable {
  startTransaction(isolationLevel?: unknown): Promise<Transaction>
}

export interface AdapterFactory {
  readonly provider: string
  readonly adapterName: string
  connect(): Promise<Adapter>
}

/**
 * A driver adapter that reports to the present call what succeeds, and gives
 * statements the comment of their cache strategy.
 */
export function reporting(factory: AdapterFactory): AdapterFactory {
  return overriding(factory, {
    connect: async () => reportingAdapter(await factory.connect()),
  })
}

function reportingAdapter(adapter: Adapter): Adapter {
  return overriding(adapter, {
    queryRaw: (query) => statement(() => adapter.queryRaw(commented(query))),
    executeRaw: (query) => statement(() => adapter.executeRaw(query)),
    startTransaction: (level) => transaction(() => adapter.startTransaction(level)),
  })
}

/** Runs a statement outside a transaction: it has happened when it succeeds. */
async function statement<T>(run: () => Promise<T>): Promise<T> {
  const end = begin()
  try {
    const result = await run()
    end(true)
    return result
  } catch (error) {
    end(outcomeOf(error) === 'unknown')
    throw error
  }
}

async function transaction(start: () => Promise<Transaction>): Promise<Transaction> {
  const end = beginTransaction()
  try {
    return reportingTransaction(await start(), end)
  } catch (error) {
    end(false) // without a COMMIT nothing has happened
    throw error
  }
}

/** Prisma sends COMMIT as a statement, and calls commit or rollback once, afterwards. */
function reportingTransaction(tx: Transaction, end: (happened: boolean) => void): Transaction {
  let unknown = false
  return overriding(tx, {
    executeRaw: async (query) => {
      try {
        return await tx.executeRaw(query)
      } catch (error) {
        unknown ||= outcomeOf(error) === 'unknown'
        throw error
      }
    },
    commit: async () => {
      try {
        await tx.commit()
      } finally {
        end(true)
      }
    },
    rollback: async () => {
      try {
        await tx.rollback()
      } finally {
        end(unknown)
      }
    },
  })
}

/** The statement with the comment of the read that it is of. */
function commented(query: SqlQuery): SqlQuery {
  const strategy = carried.getStore()
  if (!strategy?.due) return query
  strategy.due = false
  return { ...query, sql: strategy.comment + query.sql }
}

/** The object with some methods replaced. The others work on the object itself, private fields and all. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const own: unknown = Reflect.get(methods, name) ?? Reflect.get(target, name)
      return typeof own === 'function' ? own.bind(target) : own
    },
  })
}
