// SPDX-License-Identifier: Apache-2.0

import { setImmediate } from 'node:timers/promises'
import { begin, useTransaction } from '../attempt.js'
import { outcomeOf } from '../outcome.js'
import type { Busy } from './busy.js'
import { carried, type Carried } from './carried.js'
import { invalidate } from './invalidate.js'
import { commentOf, type CacheStrategy } from './strategy.js'

/** The reads that take a cacheStrategy, with Prisma's name for what they become. */
const reads: Record<string, string> = {
  aggregate: 'aggregate',
  count: 'aggregate',
  findFirst: 'findFirst',
  findFirstOrThrow: 'findFirstOrThrow',
  findMany: 'findMany',
  findUnique: 'findUnique',
  findUniqueOrThrow: 'findUniqueOrThrow',
  groupBy: 'groupBy',
}

/** What Prisma hands to a query extension. */
interface Operation {
  model?: string
  operation: string
  args: { cacheStrategy?: CacheStrategy } | undefined
  query(args: unknown): PromiseLike<unknown>
  /** Prisma's own; without it every operation counts as one outside a transaction */
  __internalParams?: { transaction?: { kind?: string } }
}

/** What is used here of a PrismaClient. */
export interface Client {
  $extends(extension: object): object
  $transaction(...args: unknown[]): Promise<unknown>
  $disconnect(): Promise<void>
  $queryRawUnsafe(sql: string): PromiseLike<unknown>
}

/**
 * A client that reports what it does, takes cacheStrategy, and has `$weir`.
 *
 * The adapter sees every statement, but those of findUnique and of
 * $transaction([…]) in the course of whichever call was first in the same tick,
 * because Prisma gathers them. So operations and such transactions report, too.
 */
export function extended(base: Client, busy: Busy): object {
  return base.$extends({
    name: '@weir/client',
    query: { $allOperations: (operation: Operation) => busy.during(() => $allOperations(operation)) },
    client: {
      $weir: { invalidate },
      $transaction(this: Client, ...args: unknown[]): Promise<unknown> {
        const run = () => base.$transaction.apply(this, args)
        return busy.during(() => (Array.isArray(args[0]) ? reported(run, true) : run()))
      },
    },
  })
}

function $allOperations(operation: Operation): Promise<unknown> {
  const transaction = operation.__internalParams?.transaction?.kind
  if (transaction === 'itx') useTransaction()
  // In a transaction it has not happened yet, even if it succeeds.
  return reported(() => run(operation), transaction === undefined)
}

/** Does a piece of work that has happened when it succeeds, or, if it does not count, by a later commit. */
async function reported<T>(work: () => PromiseLike<T>, counts: boolean): Promise<T> {
  const end = begin()
  try {
    const result = await work()
    end(counts)
    return result
  } catch (error) {
    end(counts && outcomeOf(error) === 'unknown')
    throw error
  }
}

function run({ model, operation, args, query }: Operation): PromiseLike<unknown> {
  const action = reads[operation]
  if (model === undefined || action === undefined || args?.cacheStrategy === undefined) return query(args)
  const { cacheStrategy, ...rest } = args
  const comment = commentOf(cacheStrategy)
  if (comment === '') return query(rest)
  return carried.run({ comment, model, action, due: false }, async () => {
    // In a turn of its own a findUnique is not gathered with others.
    if (action.startsWith('findUnique')) await setImmediate()
    return await query(rest)
  })
}

/** What Prisma hands to a plugin for SQL comments, before each statement. */
export interface StatementContext {
  query: { type: string; modelName?: string; action: string }
}

/**
 * Notes whether the next statement is of the read whose strategy is carried. It
 * is not if it was gathered after all. It adds no comment: Prisma would write
 * it in another form.
 */
export function noteStatement({ query }: StatementContext): Record<string, never> {
  const strategy: Carried | undefined = carried.getStore()
  if (strategy !== undefined) {
    const { type, modelName, action } = query
    strategy.due = type === 'single' && modelName === strategy.model && action === strategy.action
  }
  return {}
}
