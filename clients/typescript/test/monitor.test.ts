// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, beforeEach, test } from 'node:test'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '@prisma/client'
import { createPrismaClient, databaseMonitor, executeWithConnection } from '@weir/client'
import pg from 'pg'
import { gate, script, until, urls, waitingInWeir, withDatabase } from './support.js'

process.env.WEIR_CLIENT_SLOTS = '2'

/** Serves answers that weir never gives, for one test. */
async function serving<T>(answer: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.on('listening', resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

withDatabase('databaseMonitor', (admin) => {
  const role = () => new URL(urls.weir).username

  beforeEach(() => {
    process.env.DATABASE_URL = urls.weir
    process.env.WEIR_HTTP_URL = urls.http
  })
  afterEach(() => {
    delete process.env.DATABASE_URL
  })

  test('checkHealth says what it lacks', async () => {
    await assert.rejects(databaseMonitor.checkHealth(), {
      code: 'WEIR_CONFIGURATION',
      message: /createPrismaClient/,
    })
  })

  test('checkHealth is true where PostgreSQL answers', async () => {
    const pool = new pg.Pool({ connectionString: urls.weir })
    const prisma = createPrismaClient(PrismaClient, { adapter: PrismaPg })
    assert.equal(await databaseMonitor.checkHealth(), true)
    assert.equal(await databaseMonitor.checkHealth({ client: prisma }), true)
    assert.equal(await databaseMonitor.checkHealth({ client: pool }), true)
    await Promise.all([prisma.$disconnect(), pool.end()])
  })

  test('checkHealth is false where PostgreSQL cannot be reached, or does not answer in time', async () => {
    const pool = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' })
    assert.equal(await databaseMonitor.checkHealth({ client: pool }), false)
    const began = performance.now()
    const silent = { query: () => new Promise(() => {}) }
    assert.equal(await databaseMonitor.checkHealth({ client: silent, timeoutMs: 50 }), false)
    assert.ok(performance.now() - began >= 49)
  })

  test('checkHealth needs no slot', async () => {
    const { promise, open } = gate()
    const busy = [1, 2, 3].map(() => executeWithConnection(() => promise))
    assert.deepEqual(await databaseMonitor.checkHealth({ client: { query: async () => {} } }), true)
    open()
    await Promise.all(busy)
  })

  test('fetchStatus gives the numbers of the role', async () => {
    const pool = new pg.Pool({ connectionString: urls.weir, max: 12 })
    after(() => pool.end())
    await admin.query('select pg_advisory_lock(1)')
    const blocked = Array.from({ length: 12 }, () =>
      pool.query('select pg_advisory_xact_lock(1)').catch(() => {}),
    )
    await until('requests wait in weir', async () => (await waitingInWeir()) > 0)
    const { gateway, gatewayAgeMs, gatewayError, ...slots } = await databaseMonitor.fetchStatus()
    assert.deepEqual(slots, { current: 0, max: 2, available: 2, queued: 0 })
    assert.equal(gatewayError, null)
    assert.ok(gatewayAgeMs! >= 0)
    assert.ok(gateway)
    assert.equal(gateway.role, role())
    assert.ok(
      gateway.upstreams.used >= gateway.upstreams.allowed - 1 && gateway.upstreams.used < 12,
      JSON.stringify(gateway),
    )
    assert.ok(gateway.upstreams.allowed < 12)
    assert.ok(gateway.waiting > 0)
    assert.ok(gateway.oldestWaitMs > 0)
    assert.ok(!Number.isNaN(Date.parse(gateway.takenAt)))
    await admin.query('select pg_advisory_unlock(1)')
    await Promise.all(blocked)
  })

  test('fetchStatus gives nothing of other roles', async () => {
    process.env.DATABASE_URL = 'postgres://somebody%20else@localhost/x'
    const { gateway } = await databaseMonitor.fetchStatus()
    assert.deepEqual(
      { role: gateway!.role, upstreams: gateway!.upstreams, waiting: gateway!.waiting },
      { role: 'somebody else', upstreams: { used: 0, allowed: 0 }, waiting: 0 },
    )
    delete process.env.DATABASE_URL
    delete process.env.PGUSER
    assert.equal((await databaseMonitor.fetchStatus()).gateway!.role, null)
  })

  test('fetchStatus says why it has nothing', async () => {
    const cases: [RequestListener, RegExp][] = [
      [(_, r) => r.writeHead(503).end('later'), /weir answered 503: later/],
      [(_, r) => r.end('<html>'), /what answers is not weir/],
      [(_, r) => r.end('[]'), /what answers is not weir/],
      [(_, r) => r.destroy(), /did not answer/],
    ]
    for (const [answer, message] of cases) {
      await serving(answer, async (url) => {
        process.env.WEIR_HTTP_URL = url
        await assert.rejects(databaseMonitor.fetchStatus(), { code: 'WEIR_GATEWAY', message })
      })
    }
    process.env.WEIR_HTTP_URL = 'ftp://x'
    await assert.rejects(databaseMonitor.fetchStatus(), { code: 'WEIR_CONFIGURATION' })
  })

  test('getStatus is synchronous and has, after a while, what weir said last, with its age', async () => {
    const first = databaseMonitor.getStatus()
    assert.equal(first.max, 2)
    await until('weir has answered', () => databaseMonitor.getStatus().gatewayError === null)
    await until('weir has answered', () => databaseMonitor.getStatus().gateway?.role === role())
    const { gatewayAgeMs } = databaseMonitor.getStatus()
    await until('it is older', () => databaseMonitor.getStatus().gatewayAgeMs! > gatewayAgeMs!)
    assert.deepEqual(JSON.parse(JSON.stringify(databaseMonitor.getStatus())).current, 0)
  })

  test('getStatus keeps what it knew, and says why it knows nothing newer', async () => {
    const known = await databaseMonitor.fetchStatus()
    process.env.WEIR_HTTP_URL = 'http://127.0.0.1:1'
    await assert.rejects(databaseMonitor.fetchStatus())
    const status = databaseMonitor.getStatus()
    assert.deepEqual(status.gateway, known.gateway)
    assert.match(status.gatewayError!, /127\.0\.0\.1:1/)
  })

  test('getStatus keeps no process alive and has no rejection unhandled, whatever answers', async () => {
    const asks = `
      import { databaseMonitor } from '@weir/client'
      databaseMonitor.getStatus()
      setTimeout(() => console.log(JSON.stringify(databaseMonitor.getStatus())), 300)
    `
    const silent: RequestListener = () => {}
    await serving(silent, async (url) => {
      for (const base of [urls.http, 'http://127.0.0.1:1', url]) {
        const began = performance.now()
        const { code, output } = await script(asks, { WEIR_HTTP_URL: base })
        assert.equal(code, 0, output)
        assert.equal(output.split('\n').length, 2, output)
        // The poller asks every 5 seconds, and waits up to 2 for an answer.
        if (base === url)
          assert.ok(!output.includes('within'), `it waited for weir: ${performance.now() - began} ms`)
      }
    })
  })
})
