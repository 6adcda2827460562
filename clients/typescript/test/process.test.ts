// SPDX-License-Identifier: Apache-2.0

// What becomes of the process: on SIGTERM, at its end, in hot reloads.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { script, until, urls, withDatabase, type Ended } from './support.js'

const client = `
  import { createRequire } from 'node:module'
  import { PrismaPg } from '@prisma/adapter-pg'
  import { PrismaClient } from '@prisma/client'
  import { createPrismaClient } from '@weir/client'
  const require = createRequire(process.cwd() + '/')
  const prisma = createPrismaClient(PrismaClient, { adapter: PrismaPg })
`

withDatabase('a process with a client', (admin) => {
  const name = () => `process ${Math.random()}`
  const connections = async (application: string) =>
    (await admin.query('select 1 from pg_stat_activity where application_name = $1', [application])).rowCount!

  /** Runs a script with a client directly on PostgreSQL, and sends it SIGTERM when it says "now". */
  async function run(
    text: string,
    env: NodeJS.ProcessEnv = {},
    { terminate = false, first = '' } = {},
  ): Promise<Ended> {
    const url = new URL(urls.postgres)
    const application = name()
    url.searchParams.set('application_name', application)
    const ended = await script(first + client + text, { DATABASE_URL: url.href, ...env }, (said, kill) => {
      if (said.includes('now')) kill('SIGTERM')
    })
    if (terminate) {
      await admin.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1',
        [application],
      )
    }
    await until('PostgreSQL has no connection of it', async () => (await connections(application)) === 0)
    return ended
  }

  test('dies of SIGTERM as it would without, after its queries are over', async () => {
    const { code, signal, output } = await run(`
      await prisma.$queryRaw\`select 1\`
      void prisma.$queryRaw\`select pg_sleep(0.5)::text\`.then(() => console.log('over'))
      console.log('now')
      setInterval(() => {}, 1000)
    `)
    assert.deepEqual({ code, signal }, { code: null, signal: 'SIGTERM' })
    assert.match(output, /now\nover\n/)
  })

  test('dies of SIGTERM although a query does not end', async () => {
    const endless = `
      prisma.$queryRaw\`select pg_sleep(60)::text\`.catch(() => {})
      setTimeout(() => console.log('now'), 200)
      setInterval(() => {}, 1000)
    `
    assert.equal((await run(endless, {}, { terminate: true })).signal, 'SIGTERM')
  })

  test('leaves its end to others who listen for SIGTERM, and closes its connections meanwhile', async () => {
    const { code, signal, output } = await run(`
      await prisma.$queryRaw\`select 1\`
      const server = setInterval(() => {}, 1000)
      process.on('SIGTERM', async () => {
        await prisma.$queryRaw\`select 1\` // a request that still runs
        console.log('served')
        clearInterval(server)
        process.exitCode = 7
      })
      console.log('now')
    `)
    assert.deepEqual({ code, signal }, { code: 7, signal: null })
    assert.match(output, /served/)
  })

  test('is not counted by others who end the process if nobody else listens', async () => {
    const other = `
      process.on('SIGTERM', function end() {
        if (process.listenerCount('SIGTERM') > 1) return
        process.off('SIGTERM', end)
        process.kill(process.pid, 'SIGTERM')
      })
    `
    const work = `
      await prisma.$queryRaw\`select 1\`
      setInterval(() => {}, 1000)
      console.log('now')
    `
    assert.equal((await run(work, {}, { first: other })).signal, 'SIGTERM')
    assert.equal((await run(other + work)).signal, 'SIGTERM')
  })

  test('ends by itself when all is done', async () => {
    const { code, signal } = await run(`await prisma.$queryRaw\`select 1\`; await prisma.$disconnect()`)
    assert.deepEqual({ code, signal }, { code: 0, signal: null })
    assert.equal((await run('')).code, 0)
  })

  test('has one client across bundles and hot reloads', async () => {
    const { code, output } = await run(`
      import assert from 'node:assert'
      const load = () => require('@weir/client').createPrismaClient(PrismaClient, { adapter: PrismaPg })
      assert.equal(load(), prisma)
      for (const file of Object.keys(require.cache)) delete require.cache[file]
      assert.equal(load(), prisma)
      assert.equal(process.listenerCount('SIGTERM'), 1)
    `)
    assert.equal(code, 0, output)
  })

  test('logs queries in development and not in production', async () => {
    const count = 'await prisma.user.count(); await prisma.$disconnect()'
    assert.match((await run(count, { NODE_ENV: 'development' })).output, /prisma:query SELECT/)
    assert.equal((await run(count, { NODE_ENV: 'production' })).output, '')
  })
})
