// SPDX-License-Identifier: Apache-2.0

import type { invalidate } from './invalidate.js'
import type { CacheStrategy } from './strategy.js'

// Types of Prisma's. An application without Prisma compiles them, too: they are
// any there, which the last line of each comment brings about.

/** @ts-ignore */
type Operation = import('@prisma/client/runtime/client').Types.Public.Operation
/** @ts-ignore */
type PrismaArgs<Model, F> = import('@prisma/client/runtime/client').Types.Public.Args<Model, F & Operation>
/** @ts-ignore */
type PrismaResult<M, A, F> = import('@prisma/client/runtime/client').Types.Public.Result<M, A, F & Operation>
/** @ts-ignore */
type PrismaPromise<T> = import('@prisma/client/runtime/client').Types.Public.PrismaPromise<T>

type Args<Model, F> = PrismaArgs<Model, F> & { cacheStrategy?: CacheStrategy | undefined }

/** Refuses properties that are not in Formal, as Prisma's own methods do. */
type Only<Actual, Formal> = { [K in keyof Actual]: K extends keyof Formal ? Actual[K] : never }

/** One read of a model, with a cacheStrategy. */
type CachedRead<Model, F> = <A extends Args<Model, F>>(
  args: Only<A, Args<Model, F>>,
) => PrismaPromise<PrismaResult<Model, A, F>>

type ReadName =
  | 'aggregate'
  | 'count'
  | 'findFirst'
  | 'findFirstOrThrow'
  | 'findMany'
  | 'findUnique'
  | 'findUniqueOrThrow'
  | 'groupBy'

/** A model's reads, with a cacheStrategy. */
export type CachedReads<Model> = { [F in ReadName]: CachedRead<Model, F> }

/** The properties of a Prisma client that are models. */
type ModelsOf<Client> = {
  [K in keyof Client]: K extends `$${string}` | symbol
    ? never
    : Client[K] extends { findMany: unknown }
      ? K
      : never
}[keyof Client]

/**
 * A Prisma client that takes a cacheStrategy in reads, and has `$weir`. It can
 * be used wherever the client itself can.
 */
export type WeirClient<Client> = Client & { [K in ModelsOf<Client>]: CachedReads<Client[K]> } & {
  $weir: { invalidate: typeof invalidate }
  /** Prisma's clients with extensions have no $on; `prisma: { log: … }` of createPrismaClient prints. */
  $on: never
}
