// SPDX-License-Identifier: Apache-2.0

// Prisma's client at DATABASE_URL.
//
//   client.mjs compare                     does a bit of everything, and prints what it saw as JSON, a line each
//   client.mjs crowd CLIENTS FIRST TIMES   has CLIENTS at work at once, numbered from FIRST, each on its own counter
//                                          TIMES times, and prints what each got
//   client.mjs storm INSTANCES TIMES       has INSTANCES with pools of 5 at work at once, prints how many operations
//                                          ended in which way, and keeps its connections until standard input ends
//   client.mjs ask WAY...                  asks in some ways, and prints for each what came of it

import { compare } from './compare.mjs'
import { connect, explain, say } from './connect.mjs'

// turn adds one to a client's counter and writes a tree of rows, and checks
// that all it reads is its own.
async function turn(prisma, id, i) {
  const [n, user] = await prisma.$transaction(async (tx) => {
    const { n } = await tx.counter.findUniqueOrThrow({ where: { id } })
    const user = await tx.user.create({
      data: { email: `${id}.${i}@example.com`, posts: { create: [{ title: `${id} a` }, { title: `${id} b` }] } },
      include: { posts: { select: { title: true } } },
    })
    await tx.counter.update({ where: { id }, data: { n: n + 1 } })
    return [n + 1, user]
  }, { maxWait: 60_000, timeout: 60_000 })
  const [mine, counter, me] = await Promise.all([
    prisma.user.findUniqueOrThrow({ where: { email: user.email }, include: { posts: true } }),
    prisma.counter.findUniqueOrThrow({ where: { id } }),
    prisma.$queryRaw`select ${id}::int as me, ${i}::int as i`,
  ])
  return { n, titles: mine.posts.map((post) => post.title).sort(), counter: counter.n, me, posts: user.posts.length }
}

async function crowd(clients, first, times) {
  await Promise.all(Array.from({ length: clients }, async (_, k) => {
    const id = first + k
    const prisma = connect({ max: 2, named: id % 2 === 0 })
    for (let i = 0; i < times; i++) {
      say(`client ${id}`, await turn(prisma, id, i))
    }
    await prisma.$disconnect()
  }))
}

async function storm(instances, times) {
  const tally = {}
  const note = (outcome) => { tally[outcome] = (tally[outcome] ?? 0) + 1 }
  await Promise.all(Array.from({ length: instances }, async (_, k) => {
    const prisma = connect({ max: 5, idleTimeoutMillis: 0 })
    await Promise.all(Array.from({ length: times }, async (_, i) => {
      const done = i % 3 ? prisma.counter.findMany({ take: 5 }) : prisma.counter.update({ where: { id: k }, data: { n: { increment: 1 } } })
      await done.then(() => note('done'), (error) => note(error.code ?? error.name))
    }))
  }))
  console.log(JSON.stringify(tally))
  process.stdin.on('end', () => process.exit(0)).resume()
}

const ways = {
  query: (prisma) => prisma.counter.count(),
  raw: (prisma) => prisma.$queryRaw`select count(*) from "Counter"`,
  transaction: (prisma, options) => prisma.$transaction((tx) => tx.counter.count(), options),
  // It takes half a second.
  slow: (prisma, options) => prisma.$transaction(async (tx) => {
    await tx.$queryRaw`select pg_sleep(0.5)::text`
    await tx.counter.count()
  }, options),
  // Its connection is gone in the middle.
  lost: (prisma, options) => prisma.$transaction(async (tx) => {
    await tx.$executeRaw`select pg_terminate_backend(pg_backend_pid())`
  }, options),
}

async function ask(...asked) {
  const timeout = Number(process.env.TRANSACTION_TIMEOUT ?? 60_000)
  await Promise.all(asked.map(async (way) => {
    const prisma = connect({ max: 1 })
    await ways[way](prisma, { maxWait: 60_000, timeout }).then(() => say(way, {}), (error) => say(way, explain(error)))
    await prisma.$disconnect()
  }))
}

const [mode, ...args] = process.argv.slice(2)
const numbers = args.map(Number)
await { compare, crowd: () => crowd(...numbers), storm: () => storm(...numbers), ask: () => ask(...args) }[mode]()
