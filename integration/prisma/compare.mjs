// SPDX-License-Identifier: Apache-2.0

// A bit of everything that an application does with Prisma's client.

import { setTimeout as sleep } from 'node:timers/promises'
import { connect, explain, say } from './connect.mjs'

async function see(what, operation) {
  await operation.then((value) => say(what, value), (error) => say(what, explain(error)))
}

async function crud(prisma) {
  const { user } = prisma
  await see('create', user.create({ data: { email: 'ada@example.com', role: 'EDITOR' } }))
  await see('create many', user.createMany({ data: [1, 2, 3].map((i) => ({ email: `reader${i}@example.com` })) }))
  await see('create and return', user.createManyAndReturn({ data: [4, 5].map((i) => ({ email: `reader${i}@example.com` })) }))
  await see('find', user.findUnique({ where: { email: 'ada@example.com' } }))
  await see('find many', user.findMany({ where: { role: 'READER', email: { contains: 'READER', mode: 'insensitive' } }, orderBy: { id: 'desc' }, skip: 1, take: 2 }))
  await see('update', user.update({ where: { email: 'reader1@example.com' }, data: { role: 'EDITOR' } }))
  await see('update many', user.updateMany({ where: { role: 'READER' }, data: { role: 'EDITOR' } }))
  for (const role of ['READER', 'EDITOR']) {
    await see('upsert', user.upsert({ where: { email: 'new@example.com' }, create: { email: 'new@example.com' }, update: { role } }))
  }
  await see('group', user.groupBy({ by: ['role'], _count: true, _max: { id: true } }))
  await see('delete', user.delete({ where: { email: 'new@example.com' } }))
  await see('delete many', user.deleteMany({ where: { email: { startsWith: 'reader' } } }))
  await see('count', user.count())
}

async function nested(prisma) {
  const tag = (name) => ({ where: { name }, create: { name } })
  const include = { profile: true, posts: { include: { tags: true }, orderBy: { id: 'asc' } } }
  await see('tree', prisma.user.create({
    data: {
      email: 'grace@example.com',
      profile: { create: { bio: 'compilers' } },
      posts: { create: [
        { title: 'one', tags: { connectOrCreate: [tag('a'), tag('b')] } },
        { title: 'two', tags: { connectOrCreate: [tag('b')] } },
      ] },
    },
    include,
  }))
  await see('change the tree', prisma.user.update({
    where: { email: 'grace@example.com' },
    data: { profile: { update: { bio: 'more compilers' } }, posts: { deleteMany: { title: 'two' }, updateMany: { where: {}, data: { body: 'text' } } } },
    include,
  }))
  await see('half of it fails', prisma.user.create({
    data: { email: 'half@example.com', posts: { create: { title: 'three', tags: { create: { name: 'a' } } } } },
  }))
  await see('none of it stays', prisma.user.count({ where: { email: 'half@example.com' } }))
  await see('cascade', prisma.user.delete({ where: { email: 'grace@example.com' } }))
  await see('what is left', Promise.all([prisma.profile.count(), prisma.post.count(), prisma.tag.findMany({ orderBy: { id: 'asc' } })]))
}

async function interactive(prisma) {
  await see('commits', prisma.$transaction(async (tx) => {
    const { n } = await tx.counter.update({ where: { id: 1 }, data: { n: { increment: 5 } } })
    return [n, await tx.counter.findUnique({ where: { id: 1 } })]
  }))
  await see('throws', prisma.$transaction(async (tx) => {
    await tx.counter.update({ where: { id: 1 }, data: { n: { increment: 100 } } })
    throw new Error('changed my mind')
  }))
  await see('goes on after an error', prisma.$transaction(async (tx) => {
    await see('fails', tx.counter.create({ data: { id: 1 } }))
    return tx.counter.findUnique({ where: { id: 1 } })
  }))
  await see('at once', prisma.$transaction((tx) => Promise.all([2, 3, 4].map((id) => tx.counter.update({ where: { id }, data: { n: id } })))))
  await see('afterwards', prisma.counter.findMany({ where: { id: { lt: 5 } }, orderBy: { id: 'asc' } }))
}

// What a transaction that was too slow leaves on its connection: nothing.
async function timeouts() {
  const prisma = connect({ max: 1 })
  await see('too slow', prisma.$transaction(async (tx) => {
    await tx.counter.update({ where: { id: 1 }, data: { n: 1000 } })
    await sleep(1500)
    return tx.counter.findUnique({ where: { id: 1 } })
  }, { timeout: 1000 }).catch((error) => { throw { ...explain(error), message: error.message.replace(/\d+ ms/g, 'N ms') } }))
  await see('is undone', prisma.counter.findUnique({ where: { id: 1 } }))
  await see('is over', prisma.$queryRaw`select pg_current_xact_id_if_assigned()::text as xact, now() = statement_timestamp() as fresh`)
  await see('locks nothing', prisma.counter.update({ where: { id: 1 }, data: { n: { increment: 1 } } }))
  let end
  const slow = prisma.$transaction(async (tx) => {
    await tx.counter.count()
    await new Promise((resolve) => { end = resolve })
  }, { timeout: 60_000 })
  while (!end) await sleep(1)
  await see('no place in its own pool', prisma.$transaction((tx) => tx.counter.count(), { maxWait: 50 }))
  end()
  await slow
  await see('goes on', prisma.counter.count())
  await prisma.$disconnect()
}

async function batch(prisma) {
  const add = (id) => prisma.counter.update({ where: { id }, data: { n: { increment: 1 } } })
  await see('batch', prisma.$transaction([add(5), prisma.counter.count(), prisma.$queryRaw`select 1 as one`, add(6)]))
  await see('batch fails', prisma.$transaction([add(5), prisma.counter.create({ data: { id: 5 } }), add(6)]))
  await see('all or nothing', prisma.counter.findMany({ where: { id: { in: [5, 6] } }, orderBy: { id: 'asc' } }))
}

async function isolation(prisma) {
  for (const isolationLevel of ['ReadUncommitted', 'ReadCommitted', 'RepeatableRead', 'Serializable']) {
    await see(isolationLevel, prisma.$transaction((tx) => tx.$queryRaw`show transaction_isolation`, { isolationLevel }))
    await see(`${isolationLevel} batch`, prisma.$transaction([prisma.counter.count(), prisma.$queryRaw`show transaction_isolation`], { isolationLevel }))
  }
  await see('afterwards', prisma.$queryRaw`show transaction_isolation`)

  // Each reads what the other writes, so that the later one cannot be serialized.
  const serializable = { isolationLevel: 'Serializable', maxWait: 60_000, timeout: 60_000 }
  const sum = (tx) => tx.counter.aggregate({ _sum: { n: true }, where: { id: { in: [7, 8] } } })
  await see('conflict', prisma.$transaction(async (later) => {
    say('later', await sum(later))
    await see('sooner', prisma.$transaction(async (sooner) => {
      await sum(sooner)
      return sooner.counter.update({ where: { id: 7 }, data: { n: 1 } })
    }, serializable))
    return later.counter.update({ where: { id: 8 }, data: { n: 1 } })
  }, serializable))

  // Both have written before either commits: the second COMMIT fails.
  let written = 0
  const write = (id) => prisma.$transaction(async (tx) => {
    await sum(tx)
    await tx.counter.update({ where: { id }, data: { n: 2 } })
    for (written++; written < 2;) await sleep(1)
  }, serializable).then(() => 'committed', explain)
  const outcomes = await Promise.all([write(7), write(8)])
  say('conflict at COMMIT', outcomes.sort((a) => (a === 'committed' ? -1 : 1)))
  await see('whoever it was', prisma.counter.updateMany({ where: { id: { in: [7, 8] } }, data: { n: 0 } }))
}

async function raw(prisma) {
  await see('no values', prisma.$queryRaw`select 1 as one, 'two' as two, null as nothing`)
  await see('values', prisma.$queryRaw`select ${1}::int as i, ${'x'} as t, ${[1, 2]}::int[] as a, ${new Date(0)}::timestamptz as at, ${{ a: [1] }}::jsonb as j`)
  await see('unsafe', prisma.$queryRawUnsafe('select n, count(*) from "Counter" group by n order by n limit $1', 3))
  await see('execute', prisma.$executeRaw`update "Counter" set n = n + 1 where id between ${10} and ${19}`)
  await see('function', prisma.$queryRaw`select count_on(10), count_on(10) as again`)
  await see('syntax', prisma.$queryRaw`selekt 1`)
  await see('division', prisma.$queryRaw`select 1 / ${0}::int`)
  await see('no table', prisma.$executeRawUnsafe('insert into nowhere values (1)'))
  await see('a tenant for a transaction', prisma.$transaction([
    prisma.$executeRaw`select set_config('app.tenant', 'acme', true)`,
    prisma.$queryRaw`select current_setting('app.tenant', true) as tenant`,
  ]))
  await see('and not after it', prisma.$queryRaw`select coalesce(current_setting('app.tenant', true), '') as tenant`)
  await see('locks', prisma.$transaction((tx) => tx.$queryRaw`select id from "Counter" where id < 3 order by id for update skip locked`))
}

async function values(prisma) {
  const data = {
    id: 1, big: 2n ** 62n, exact: '12345678901234567890.0000000001', real: 0.1, bytes: Buffer.from([0, 1, 255]),
    json: { a: [1, null, 'ü'] }, at: new Date('2026-07-01T12:00:00.123Z'), wall: new Date('2026-01-01T00:00:00Z'),
    day: new Date('2024-02-29'), uuid: '8f6b2d9c-2f0a-4c3e-9d57-0c6a7a1b2c3d', list: ['a,b', '"', ''],
  }
  await see('values', prisma.value.create({ data }))
  await see('by their values', prisma.value.count({ where: { at: data.at, day: data.day, uuid: data.uuid, list: { has: '"' }, json: { path: ['a', '2'], equals: 'ü' } } }))
  await see('out of range', prisma.counter.update({ where: { id: 1 }, data: { n: 2 ** 40 } }))

  const bytes = Buffer.alloc(10 << 20, 'weir ') // 10 MiB
  await see('10 MiB in', prisma.value.update({ where: { id: 1 }, data: { bytes } }))
  await see('10 MiB out', prisma.value.findUnique({ where: { id: 1 }, select: { bytes: true } }))
  await see('10 MiB raw', prisma.$queryRaw`select ${'x'.repeat(10 << 20)} = repeat('x', 10 << 20) as same, length(bytes) from "Value"`)
}

async function violations(prisma) {
  await see('unique', prisma.user.create({ data: { email: 'ada@example.com' } }))
  await see('foreign key', prisma.profile.create({ data: { bio: '', userId: 999 } }))
  await see('not there', prisma.user.update({ where: { email: 'nobody@example.com' }, data: { role: 'READER' } }))
  await see('null', prisma.$executeRaw`insert into "User" (email) values (null)`)
}

async function parallel(prisma) {
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => {
    switch (i % 4) {
      case 0: return prisma.counter.update({ where: { id: 20 }, data: { n: { increment: 1 } } }).then(() => 'added')
      case 1: return prisma.$queryRaw`select ${i}::int as i`.then(([{ i: got }]) => got === i)
      case 2: return prisma.$transaction([prisma.counter.findUnique({ where: { id: i % 20 } })]).then(([{ id }]) => id === i % 20)
      default: return prisma.$transaction((tx) => tx.counter.findUnique({ where: { id: i % 20 } }), { maxWait: 60_000, timeout: 60_000 }).then(({ id }) => id === i % 20)
    }
  }))
  say('answers', Object.fromEntries([true, false, 'added'].map((a) => [a, answers.filter((b) => a === b).length])))
  await see('added', prisma.counter.findUnique({ where: { id: 20 } }))
}

export async function compare() {
  for (const named of [false, true]) {
    const prisma = connect({ named })
    for (const part of [crud, nested, interactive, timeouts, batch, isolation, raw, values, violations, parallel]) {
      say('part', `${part.name}, ${named ? 'named' : 'unnamed'} statements`)
      await part(prisma)
    }
    await prisma.$disconnect()
    await see('after disconnecting', prisma.$executeRaw`truncate "User", "Tag", "Value" restart identity cascade`)
    await see('begins again', prisma.counter.updateMany({ data: { n: 0 } }))
    await prisma.$disconnect()
  }
}
