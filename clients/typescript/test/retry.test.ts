// SPDX-License-Identifier: Apache-2.0

// What is run again, and what is not, with errors that a real PostgreSQL made.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '@prisma/client'
import { createPrismaClient, executeWithConnection, type ExecuteOptions } from '@weir/client'
import pg from 'pg'
import { patienceMs, unhurried, until, urls, waitingInWeir, withDatabase } from './support.js'

// An insert of 'fail CODE N …' fails with this SQLSTATE the first N times, at
// once or, as 'late CODE N …', when its transaction commits. A sequence counts
// them, because it is not rolled back. After one of 'slow …' the commit takes long.
const flaky = `
  create sequence if not exists tries;
  create or replace function flaky() returns trigger language plpgsql as $$
    begin
      if nextval('tries') <= split_part(new.email, ' ', 3)::int then
        raise exception 'made to fail' using errcode = split_part(new.email, ' ', 2);
      end if;
      return new;
    end $$;
  create or replace trigger flaky before insert on "User"
    for each row when (new.email like 'fail %') execute function flaky();
  drop trigger if exists flaky_late on "User";
  create constraint trigger flaky_late after insert on "User" deferrable initially deferred
    for each row when (new.email like 'late %') execute function flaky();
  create or replace function slow() returns trigger language plpgsql as $$
    begin
      perform pg_sleep(30);
      return new;
    end $$;
  drop trigger if exists slow_late on "User";
  create constraint trigger slow_late after insert on "User" deferrable initially deferred
    for each row when (new.email like 'slow %') execute function slow();
`

const backoff = { baseMs: 1, maxMs: 5 }

/** Calls, and how often each function ran. */
async function ran(fn: () => unknown, options: ExecuteOptions = {}): Promise<{ runs: number; error: any }> {
  let runs = 0
  const counted = () => {
    runs++
    return fn()
  }
  const error: unknown = await executeWithConnection(counted, { backoff, ...options }).then(
    () => undefined,
    (e: unknown) => e,
  )
  return { runs, error }
}

withDatabase('a retry', (admin) => {
  const prisma = createPrismaClient(PrismaClient, {
    adapter: PrismaPg,
    url: urls.postgres,
    prisma: { log: [], transactionOptions: unhurried },
  })
  const lossy = createPrismaClient(PrismaClient, {
    adapter: PrismaPg,
    url: urls.postgres,
    name: 'lossy',
    prisma: { log: [], transactionOptions: unhurried },
  })
  const pool = new pg.Pool({ connectionString: urls.postgres })
  const insert = (email: string) => prisma.user.create({ data: { email } })
  const rows = async (email: string) => await prisma.user.count({ where: { email } })

  before(() => admin.query(flaky))
  beforeEach(() => admin.query(`truncate "User" cascade; alter sequence tries restart`))
  after(async () => {
    await admin.query(
      `drop trigger flaky on "User"; drop trigger flaky_late on "User"; drop trigger slow_late on "User"`,
    )
    await Promise.all([prisma.$disconnect(), lossy.$disconnect(), pool.end()])
  })

  describe('takes what was never executed or was undone', () => {
    const works: Record<string, (email: string) => unknown> = {
      'a create': insert,
      'a nested create': (email) =>
        prisma.user.create({ data: { email, posts: { create: { title: 'nested' } } } }),
      'a raw statement': (email) => prisma.$executeRaw`insert into "User" (email) values (${email})`,
      'a raw query': (email) => prisma.$queryRaw`insert into "User" (email) values (${email}) returning id`,
      'a batch transaction': (email) => prisma.$transaction([insert('before'), insert(email)]),
      'an interactive transaction': (email) =>
        prisma.$transaction(async (tx) => {
          await tx.user.findUnique({ where: { email: 'x' } })
          await tx.user.create({ data: { email: 'before' } })
          await tx.user.create({ data: { email } })
        }),
    }
    for (const [what, work] of Object.entries(works)) {
      for (const code of ['53300', '40001', '40P01']) {
        test(`${what} with ${code}`, async () => {
          const email = `fail ${code} 2`
          assert.deepEqual(await ran(() => work(email)), { runs: 3, error: undefined })
          assert.equal(await rows(email), 1)
        })
      }
    }

    test('a transaction that fails as it commits', async () => {
      const email = 'late 40001 2'
      const work = () => prisma.$transaction(async (tx) => tx.user.create({ data: { email } }))
      assert.deepEqual(await ran(work), { runs: 3, error: undefined })
      assert.equal(await rows(email), 1)
    })

    test('a server that cannot be reached', async () => {
      const closed = 'postgres://nobody@127.0.0.1:1/none'
      const nobody = createPrismaClient(PrismaClient, {
        adapter: PrismaPg,
        url: closed,
        name: 'nobody',
        prisma: { log: [] },
      })
      for (const work of [
        () => nobody.user.count(),
        () => nobody.$queryRaw`select 1`,
        () => nobody.$transaction(async (tx) => tx.user.count()),
      ]) {
        assert.equal((await ran(work, { retries: 2 })).runs, 3)
      }
      const driver = () => new pg.Pool({ connectionString: closed }).query('select 1')
      const { runs, error } = await ran(driver, { retries: 2, atomic: true })
      assert.deepEqual([runs, error.code], [3, 'ECONNREFUSED'])
    })

    test('a pool of the client that is used up', async () => {
      const small = { adapter: PrismaPg, url: urls.postgres, name: 'small', max: 1, connectTimeoutMs: 200 }
      const client = createPrismaClient(PrismaClient, { ...small, prisma: { log: [] } })
      await admin.query('select pg_advisory_lock(1)')
      const long = ran(() => client.$queryRaw`select pg_advisory_xact_lock(1)::text`, { retries: 100 }) // to connect may take longer, too
      await until('it runs', async () => (await admin.query(blocked)).rowCount === 1)
      let tries = 0
      const work = async () => {
        if (++tries === 2) await admin.query('select pg_advisory_unlock(1)')
        return await client.user.count()
      }
      const { runs, error } = await ran(work, { retries: 100 })
      assert.equal(error, undefined)
      assert.ok(runs > 1)
      assert.equal((await long).error, undefined)
      await client.$disconnect()
    })
  })

  describe('does not come', () => {
    test('more often than is asked, and with the last error', async () => {
      const { runs, error } = await ran(() => insert('fail 53300 9'), { retries: 2 })
      assert.deepEqual([runs, error.code], [3, 'P2037'])
      assert.equal((await ran(() => insert('fail 53300 99'), { retries: 0 })).runs, 1)
    })

    test('for other errors', async () => {
      await insert('twice')
      const { runs, error } = await ran(() => insert('twice'), { idempotent: true })
      assert.deepEqual([runs, error.code], [1, 'P2002'])
    })

    test('after something has succeeded', async () => {
      const first: Record<string, () => Promise<unknown>> = {
        'a write': () => insert('first'),
        'a read': () => prisma.user.findUnique({ where: { email: 'first' } }),
        'a transaction': () => prisma.$transaction([insert('first')]),
        'an interactive one': () =>
          prisma.$transaction(async (tx) => tx.user.create({ data: { email: 'first' } })),
      }
      for (const [what, succeeds] of Object.entries(first)) {
        await admin.query(`truncate "User" cascade; alter sequence tries restart`)
        const work = async () => {
          await succeeds()
          await insert('fail 53300 1')
        }
        assert.equal((await ran(work)).runs, 1, what)
      }
    })

    test('after something has succeeded that Prisma gathered with what others do', async () => {
      const work = async () => {
        await prisma.$transaction([insert('first')])
        await insert('fail 53300 1')
      }
      // The first of these lends its context to all that Prisma gathers in one tick.
      const [, outcome] = await Promise.all([
        ran(() => prisma.post.findUnique({ where: { id: 1 } })),
        ran(work),
        ran(() => prisma.user.findUnique({ where: { id: 1 } })),
      ])
      assert.equal(outcome.runs, 1)
      assert.equal(await rows('first'), 1)
    })

    test('while something still runs', async () => {
      let slow: Promise<unknown> | undefined
      await admin.query('select pg_advisory_lock(1)')
      const work = () => {
        slow =
          prisma.$executeRaw`insert into "User" (email) select 'slow' from pg_advisory_xact_lock(1)`.then(
            () => {},
          )
        return Promise.all([slow, insert('fail 53300 1')])
      }
      const { runs } = await ran(work)
      await admin.query('select pg_advisory_unlock(1)')
      assert.equal(runs, 1)
      await slow
      assert.equal(await rows('slow'), 1)
    })

    test('for what may have happened', async () => {
      for (const [idempotent, runs] of [
        [false, 1],
        [true, 2],
      ] as const) {
        let killed = 0
        const work = async () => {
          const first = killed++ === 0
          await Promise.all([
            prisma.$executeRaw`insert into "User" (email) select 'lost' from pg_sleep(${first ? 30 : 0})`,
            first && terminate(),
          ])
        }
        assert.equal((await ran(work, { idempotent })).runs, runs)
      }
    })

    test('after an unknown outcome that the function kept to itself', async () => {
      const work = async () => {
        await Promise.all([prisma.$executeRaw`select pg_sleep(30)`.catch(() => {}), terminate()])
        await insert('fail 53300 1')
      }
      const { runs, error } = await ran(work)
      assert.deepEqual([runs, error.code], [1, 'P2037'])
    })

    test('after a commit with an unknown outcome that the function kept to itself', async () => {
      const work = async () => {
        // Of another client, because adapter-pg puts the lost connection back into its pool.
        const commit = lossy.$transaction(async (tx) => tx.user.create({ data: { email: 'slow commit' } }))
        await Promise.all([commit.catch(() => {}), terminate()])
        await insert('fail 53300 1')
      }
      const { runs, error } = await ran(work)
      assert.deepEqual([runs, error.code], [1, 'P2037'])
    })

    test('for a transaction that took too long, unless it is idempotent', async () => {
      for (const [idempotent, wanted] of [
        [false, 1],
        [true, 3],
      ] as const) {
        const { runs, error } = await ran(
          () =>
            prisma.$transaction(async (tx) => void (await tx.$queryRaw`select pg_sleep(0.3)::text`), {
              maxWait: patienceMs,
              timeout: 50,
            }),
          { idempotent, retries: 2 },
        )
        assert.deepEqual([runs, error.code], [wanted, 'P2028'])
      }
    })

    test('when the client does not report, unless the function is atomic', async () => {
      const email = 'fail 53300 1'
      const work = () => pool.query('insert into "User" (email) values ($1)', [email])
      assert.equal((await ran(work)).runs, 1)
      assert.equal(await rows(email), 0)
      await admin.query('alter sequence tries restart')
      assert.equal((await ran(work, { atomic: true })).runs, 2)
      assert.equal(await rows(email), 1)
    })

    test('once the caller is aborted, and its pause ends at once', async () => {
      const controller = new AbortController()
      let failed = false
      const work = () =>
        insert('fail 53300 9').catch((error: unknown) => {
          failed = true
          throw error
        })
      const call = ran(work, {
        signal: controller.signal,
        backoff: { baseMs: 10 * patienceMs, maxMs: 10 * patienceMs },
        acquireTimeoutMs: 20 * patienceMs, // else the pause would be too long, and the call would end
      })
      await until('it failed once', async () => failed)
      controller.abort(new Error('enough'))
      const { runs, error } = await call
      assert.deepEqual([runs, error.message], [1, 'enough'])
    })
  })

  describe('of nested calls', () => {
    test('is not multiplied by the calls around them', async () => {
      let runs = 0
      const work = () =>
        executeWithConnection(
          () => {
            runs++
            return insert('fail 53300 99')
          },
          { retries: 2, backoff },
        )
      assert.equal((await ran(work)).runs, 1)
      assert.equal(runs, 3)
    })

    test('is the whole transaction, not a part of it', async () => {
      let inner = 0
      const work = () =>
        prisma.$transaction((tx) =>
          executeWithConnection(
            () => {
              inner++
              return tx.user.create({ data: { email: 'fail 40001 1' } })
            },
            { backoff },
          ),
        )
      assert.deepEqual(await ran(work), { runs: 2, error: undefined })
      assert.equal(inner, 2)
      assert.equal(await rows('fail 40001 1'), 1)
    })

    test('counts what they did', async () => {
      const work = async () => {
        await executeWithConnection(() => insert('inner'))
        await insert('fail 53300 1')
      }
      assert.equal((await ran(work)).runs, 1)
      assert.equal(await rows('inner'), 1)
    })
  })

  test('ignores an error that was kept, if nothing came of it', async () => {
    await insert('twice')
    const work = async () => {
      await insert('twice').catch(() => {})
      await insert('fail 53300 1')
    }
    assert.deepEqual(await ran(work), { runs: 2, error: undefined })
  })

  const blocked = `select 1 from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())`
  const sleeping = `select pid from pg_stat_activity where wait_event = 'PgSleep'`

  /** Ends the connection of a statement that sleeps, as soon as there is one. */
  async function terminate() {
    await until('a statement sleeps', async () => (await admin.query(sleeping)).rowCount! > 0)
    await admin.query(`select pg_terminate_backend(pid) from (${sleeping}) s`)
  }
})

withDatabase('through weir', (admin) => {
  const prisma = createPrismaClient(PrismaClient, {
    adapter: PrismaPg,
    url: urls.weir,
    max: 20,
    name: 'weir',
    prisma: { transactionOptions: unhurried },
  })
  after(() => prisma.$disconnect())

  test('two transactions that exclude each other both happen, one after a retry', async () => {
    await admin.query(`truncate "User" cascade; insert into "User" (id, email) values (1, '0')`)
    let runs = 0
    let met = 0
    const increment = () =>
      prisma.$transaction(
        async (tx) => {
          runs++
          const user = await tx.user.findUniqueOrThrow({ where: { id: 1 } })
          met++
          await until('both have read', () => met >= 2)
          await tx.user.update({ where: { id: 1 }, data: { email: `${Number(user.email) + 1}` } })
        },
        { isolationLevel: 'Serializable', timeout: patienceMs },
      )
    await Promise.all([
      executeWithConnection(increment, { backoff }),
      executeWithConnection(increment, { backoff }),
    ])
    const user = await prisma.user.findUniqueOrThrow({ where: { id: 1 } })
    assert.equal(user.email, '2')
    assert.ok(runs > 2)
  })

  test('what found no connection in time is run again when there is one', async () => {
    await admin.query('truncate "User" cascade')
    const full = new AbortController()
    // More than weir's pool holds; the tests' weir gives up the wait after five seconds.
    const hogs = Array.from({ length: 12 }, () =>
      prisma
        .$transaction(
          async (tx) => {
            await tx.$queryRaw`select 1`
            // Who comes after the abort would wait for it for ever.
            if (!full.signal.aborted)
              await new Promise((resolve) => full.signal.addEventListener('abort', resolve))
          },
          { timeout: patienceMs, maxWait: patienceMs },
        )
        .catch(() => {}),
    )
    await until('requests wait in weir', async () => (await waitingInWeir()) > 0)
    const codes: string[] = []
    const seen = async () => {
      try {
        return await prisma.user.create({ data: { email: 'waited' } })
      } catch (error) {
        codes.push((error as { code: string }).code)
        full.abort()
        throw error
      }
    }
    await executeWithConnection(seen, { backoff })
    assert.deepEqual([...new Set(codes)], ['P2037'])
    assert.equal(await prisma.user.count(), 1)
    await Promise.all(hogs)
  })
})
