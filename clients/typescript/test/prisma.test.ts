// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '@prisma/client'
import { createPrismaClient, type CacheStrategy } from '@weir/client'
import { gate, until, urls, withDatabase } from './support.js'

withDatabase('a client made by createPrismaClient', (admin) => {
  const options = { adapter: PrismaPg, url: urls.weir }
  const prisma = createPrismaClient(PrismaClient, options)
  const tags = ['a', 'b']

  before(async () => {
    process.env.WEIR_HTTP_URL = urls.http
    await admin.query(`truncate "User" cascade; insert into "User" (id, email) values (1, 'one@example.com')`)
  })
  after(() => prisma.$disconnect())

  /** A read's statement, as PostgreSQL got it through weir. */
  const arrived = async (cacheStrategy?: CacheStrategy) => {
    const rows = await prisma.statement.findMany({ cacheStrategy })
    assert.equal(rows.length, 1)
    return rows[0]!.query
  }

  test('is the same for each call, with each name', () => {
    assert.equal(createPrismaClient(PrismaClient, options), prisma)
    assert.notEqual(createPrismaClient(PrismaClient, { ...options, name: 'second' }), prisma)
  })

  test('carries a cache strategy to PostgreSQL as a comment', async () => {
    assert.match(await arrived(), /^SELECT /)
    assert.match(await arrived({}), /^SELECT /)
    assert.match(await arrived({ ttl: 60, swr: 30, tags }), /^\/\* weir: ttl=60 swr=30 tags=a,b \*\/ SELECT /)
    assert.match(await arrived({ ttl: 0 }), /^\/\* weir: ttl=0 \*\/ SELECT /)
    assert.match(await arrived(), /^SELECT /)
  })

  test('lets no tag out of the comment', async () => {
    for (const tag of [
      '*/ drop table x; --',
      '/*',
      "it's",
      'a,b',
      'a b',
      '💧',
      '$1',
      '?',
      '\0',
      '\n',
      'A-z_0.9',
    ]) {
      const query = await arrived({ ttl: 1, tags: [tag] })
      const [, found] = /^\/\* weir: ttl=1 tags=([\w%.-]+) \*\/ SELECT /.exec(query) ?? []
      assert.equal(decodeURIComponent(found ?? ''), tag)
    }
  })

  test('refuses a strategy that cannot be meant, before it asks', async () => {
    const bad = [
      { ttl: -1 },
      { ttl: 1.5 },
      { swr: NaN },
      { tags: [''] },
      { tags: ['\ud800'] },
      { ttl: '1 */' as any },
    ]
    for (const strategy of bad) await assert.rejects(arrived(strategy), { code: 'WEIR_CONFIGURATION' })
  })

  test('takes a strategy in every read', async () => {
    const cacheStrategy = { ttl: 1 }
    const where = { email: 'one@example.com' }
    const { user } = prisma
    assert.equal((await user.findUnique({ where, cacheStrategy }))?.id, 1)
    assert.equal((await user.findUniqueOrThrow({ where, cacheStrategy, select: { id: true } })).id, 1)
    assert.equal((await user.findFirst({ where, cacheStrategy }))?.email, where.email)
    assert.equal((await user.findFirstOrThrow({ cacheStrategy, include: { posts: true } })).posts.length, 0)
    assert.equal((await user.findMany({ cacheStrategy }))[0]?.id, 1)
    assert.equal(await user.count({ cacheStrategy }), 1)
    assert.equal((await user.aggregate({ _max: { id: true }, cacheStrategy }))._max.id, 1)
    assert.equal((await user.groupBy({ by: ['email'], _count: true, cacheStrategy }))[0]?._count, 1)
  })

  test('gives a read that Prisma gathers with others its own strategy and no other', async () => {
    const query = async (ttl?: number) =>
      (await prisma.statement.findUniqueOrThrow({ where: { id: 1 }, ...(ttl && { cacheStrategy: { ttl } }) }))
        .query
    const both = [1, undefined, 2, undefined, 3]
    const queries = await Promise.all(both.map(query))
    const begin = queries.map((q) => /^\/\* weir: ttl=(\d) \*\//.exec(q)?.[1])
    assert.deepEqual(begin, ['1', undefined, '2', undefined, '3'])
  })

  test('leaves transactions and writes without a comment', async () => {
    const read = () => prisma.statement.findMany({ cacheStrategy: { ttl: 1 } })
    const [[batch]] = await prisma.$transaction([read(), read()])
    assert.match(batch!.query, /^SELECT /)
    const find: any = prisma.user.create
    await assert.rejects(find({ data: { email: 'x' }, cacheStrategy: { ttl: 1 } }), {
      name: 'PrismaClientValidationError',
    })
    await prisma.$transaction(async (tx) => {
      const [row] = await tx.statement.findMany({ cacheStrategy: { ttl: 1 } } as object)
      assert.match(row!.query, /^SELECT /)
    })
  })

  test('works with other extensions and comments', async () => {
    const plugin = () => ({ traceparent: '00-1' })
    const other = createPrismaClient(PrismaClient, {
      ...options,
      name: 'comments',
      prisma: { comments: [plugin] },
    })
    let seen = 0
    const more = other.$extends({
      query: {
        $allOperations: async ({ args, query }) => {
          seen++
          await new Promise((resolve) => setTimeout(resolve, 5))
          return query(args)
        },
      },
    })
    const read = more.statement.findMany as (args: object) => Promise<{ query: string }[]>
    const [row] = await read({ cacheStrategy: { ttl: 5 } })
    assert.match(row!.query, /^\/\* weir: ttl=5 \*\/ SELECT .*traceparent='00-1'/s)
    await more.$transaction(async (tx) => tx.user.count())
    await more.$transaction([more.user.count()])
    assert.equal(seen, 3)
    await other.$disconnect()
  })

  test('gives no strategy to another read, even if an extension has Prisma gather the two', async () => {
    const both = gate()
    let arrived = 0
    const more = prisma.$extends({
      query: {
        statement: {
          findUniqueOrThrow: async ({ args, query }) => {
            if (++arrived === 2) both.open()
            await both.promise
            return query(args)
          },
        },
      },
    })
    const read = more.statement.findUniqueOrThrow as (args: object) => Promise<{ query: string }>
    const cached = read({ where: { id: 1 }, cacheStrategy: { ttl: 5 } }).then((row) => row) // begins it
    await until('it is the first', () => arrived === 1)
    const rows = await Promise.all([cached, read({ where: { id: 1 } })])
    for (const { query } of rows) assert.match(query, /^SELECT /)
  })

  test('uses the schema that the URL names', async () => {
    const url = new URL(urls.weir)
    url.searchParams.set('schema', 'nowhere')
    const other = createPrismaClient(PrismaClient, { ...options, url: url.href, name: 'nowhere' })
    await assert.rejects(other.user.count(), { code: 'P2021', message: /`nowhere\.User` does not exist/ })
    await other.$disconnect()
  })

  test('bounds the wait for one of its connections', async () => {
    const other = createPrismaClient(PrismaClient, {
      ...options,
      name: 'short',
      max: 1,
      connectTimeoutMs: 300,
    })
    // To open it may take longer than that.
    await until('it has one', () => other.$queryRaw`select 1`.then(Boolean, () => false))
    await admin.query('select pg_advisory_lock(1)')
    const slow = other.$queryRaw`select pg_advisory_xact_lock(1)::text`.then(() => {})
    await assert.rejects(
      other.user.count().then(() => other.user.count()),
      /timeout exceeded when trying to connect|connection timeout/,
    )
    await admin.query('select pg_advisory_unlock(1)')
    await slow
    await other.$disconnect()
  })

  test('knows that a weir without a cache has nothing to forget', async () => {
    assert.deepEqual(await prisma.$weir.invalidate({ tags }), { invalidated: 0, cache: false })
  })

  test('refuses to invalidate nothing', async () => {
    for (const bad of [[], [''], 'a' as any]) {
      await assert.rejects(prisma.$weir.invalidate({ tags: bad }), { code: 'WEIR_CONFIGURATION' })
    }
  })

  test('says when weir cannot be asked to invalidate', async () => {
    process.env.WEIR_HTTP_URL = 'http://127.0.0.1:1'
    await assert.rejects(prisma.$weir.invalidate({ tags }), {
      code: 'WEIR_GATEWAY',
      message: /WEIR_HTTP_URL/,
    })
    process.env.WEIR_HTTP_URL = urls.http
  })

  test('has weir invalidate tags', async () => {
    // weir's answer when it has a cache; it has none yet.
    let asked = ''
    const server = createServer((request, response) => {
      request.on('data', (chunk) => (asked += chunk))
      request.on('end', () => response.end('{"invalidated":2}'))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.on('listening', resolve))
    process.env.WEIR_HTTP_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    assert.deepEqual(await prisma.$weir.invalidate({ tags }), { invalidated: 2, cache: true })
    assert.equal(asked, '{"tags":["a","b"]}')
    server.close()
    process.env.WEIR_HTTP_URL = urls.http
  })
})

test('createPrismaClient says what it lacks', () => {
  const { DATABASE_URL } = process.env
  delete process.env.DATABASE_URL
  assert.throws(() => createPrismaClient(PrismaClient, { adapter: PrismaPg, name: 'x' }), {
    code: 'WEIR_CONFIGURATION',
    message: /DATABASE_URL is not set/,
  })
  assert.throws(() => createPrismaClient(PrismaClient, { adapter: {}, name: 'x' }), {
    code: 'WEIR_CONFIGURATION',
    message: /PrismaPg/,
  })
  if (DATABASE_URL !== undefined) process.env.DATABASE_URL = DATABASE_URL
})
