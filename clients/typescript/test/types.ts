// SPDX-License-Identifier: Apache-2.0

// What the types say. It is compiled and never run.

import { PrismaPg } from '@prisma/adapter-pg'
import { Prisma, PrismaClient, type Post, type User } from '@prisma/client'
import {
  createPrismaClient,
  executeBatchWithConnection,
  executeWithConnection,
  type Invalidated,
} from '@weir/client'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Same<A, B>): void {}

const prisma = createPrismaClient(PrismaClient, { adapter: PrismaPg })

export async function calls(): Promise<void> {
  const users = await executeWithConnection(() => prisma.user.findMany())
  same<typeof users, User[]>(true)
  const plain = await executeWithConnection(() => 1 as const)
  same<typeof plain, 1>(true)
  await executeWithConnection(({ signal, attempt }) => [signal?.aborted, attempt.toFixed()], 3)
  await executeWithConnection(() => {}, {
    retries: 3,
    acquireTimeoutMs: 5_000,
    signal: AbortSignal.timeout(8_000),
  })
  // @ts-expect-error a promise is no function: it would have begun outside a slot
  await executeWithConnection(prisma.user.findMany())
  // @ts-expect-error there is no such option
  await executeWithConnection(() => {}, { retry: 3 })
}

export async function batches(): Promise<void> {
  const operations = [() => prisma.user.count(), () => 'text', async () => new Date()] as const
  const tuple = await executeBatchWithConnection(operations)
  same<typeof tuple, [number, string, Date]>(true)
  const inline = await executeBatchWithConnection([() => prisma.user.count(), async () => ({ a: 1 })], 2)
  same<typeof inline, [number, { a: number }]>(true)
  const settled = await executeBatchWithConnection([() => 1, async () => 'a'], 2, { settle: true })
  same<typeof settled, [PromiseSettledResult<number>, PromiseSettledResult<string>]>(true)
  const list = await executeBatchWithConnection([1, 2].map((n) => async () => `${n}`))
  same<typeof list, string[]>(true)
  // @ts-expect-error promises are no functions
  await executeBatchWithConnection([prisma.user.count()])
}

export async function cached(): Promise<void> {
  const cacheStrategy = { ttl: 60, swr: 30, tags: ['a'] }
  const many = await prisma.user.findMany({ where: { email: 'a' }, cacheStrategy })
  same<typeof many, User[]>(true)
  const where = { id: { in: [1, 2] }, OR: [{ email: 'a' }, { email: 'b' }] }
  const ids = await prisma.user.findMany({
    where,
    orderBy: [{ id: 'asc' }],
    select: { id: true },
    cacheStrategy,
  })
  same<typeof ids, { id: number }[]>(true)
  const one = await prisma.user.findUnique({ where: { id: 1 }, cacheStrategy })
  same<typeof one, User | null>(true)
  const sure = await prisma.user.findUniqueOrThrow({
    where: { id: 1 },
    cacheStrategy,
    select: { email: true },
  })
  same<typeof sure, { email: string }>(true)
  const first = await prisma.user.findFirst({ include: { posts: true }, cacheStrategy })
  same<typeof first, (User & { posts: Post[] }) | null>(true)
  const firstSure = await prisma.post.findFirstOrThrow({ cacheStrategy })
  same<typeof firstSure, Post>(true)
  const count = await prisma.user.count({ cacheStrategy })
  same<typeof count, number>(true)
  const { _max } = await prisma.user.aggregate({ _max: { id: true }, cacheStrategy })
  same<typeof _max.id, number | null>(true)
  const groups = await prisma.user.groupBy({ by: ['email'], _count: true, cacheStrategy })
  same<(typeof groups)[0]['email'], string>(true)
  const invalidated = await prisma.$weir.invalidate({ tags: ['a'] })
  same<typeof invalidated, Invalidated>(true)
  // @ts-expect-error no such field
  await prisma.user.findMany({ where: { nothing: 1 }, cacheStrategy })
  // @ts-expect-error no such argument
  await prisma.user.findMany({ were: { id: 1 }, cacheStrategy })
  // @ts-expect-error ttl is a number of seconds
  await prisma.user.findMany({ cacheStrategy: { ttl: '60' } })
  // @ts-expect-error a write cannot be answered from memory
  await prisma.user.create({ data: { email: 'a' }, cacheStrategy })
  // @ts-expect-error Prisma takes it away from clients with extensions
  prisma.$on('query', () => {})
  // @ts-expect-error a transaction sees the database as it is
  await prisma.$transaction(async (tx) => tx.user.findMany({ cacheStrategy }))
}

/** It can be used wherever Prisma's own can. */
export const own: PrismaClient = prisma
export const args = { where: { email: 'a' } } satisfies Prisma.UserFindManyArgs
