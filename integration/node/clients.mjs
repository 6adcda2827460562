// SPDX-License-Identifier: Apache-2.0

// Clients of PostgreSQL at URL, made with node-postgres.
//
//   node clients.mjs compare                  does a bit of everything, and prints what it saw as JSON, a line each
//   node clients.mjs crowd CLIENTS TIMES      connects CLIENTS at once, each of which adds TIMES to its counter,
//                                             in transactions, and checks what it reads; prints nothing
//   node clients.mjs listen                   listens, is notified by itself and by another, and prints what it heard

import assert from 'node:assert/strict'
import pg from 'pg'
import Cursor from 'pg-cursor'

const connectionString = process.env.URL

async function connect(options = {}) {
  const client = new pg.Client({ connectionString, ...options })
  await client.connect()
  return client
}

function say(what, value) {
  console.log(JSON.stringify({ what, value }))
}

const seen = ({ command, rowCount, fields, rows }) => ({
  command, rowCount, rows, fields: fields.map((f) => [f.name, f.dataTypeID, f.format]),
})

const failed = ({ name, message, severity, code, detail, hint, position, constraint, routine }) => ({
  name, message, severity, code, detail, hint, position, constraint, routine,
})

async function see(what, client, ...query) {
  try {
    const result = await client.query(...query)
    say(what, Array.isArray(result) ? result.map(seen) : seen(result))
  } catch (error) {
    say(what, failed(error))
  }
}

async function unnamed(client) {
  await see('simple', client, 'select 1 as one; select 2 as two')
  await see('create', client, 'drop table if exists goods; create table goods (id int primary key, name text, doc jsonb)')
  for (const id of [1, 2, 2]) {
    await see('insert', client, 'insert into goods values ($1, $2, $3)', [id, `good ${id}`, { id }])
  }
  await see('select', client, 'select * from goods where id >= $1 order by id', [1])
  await see('array', client, { text: 'select $1::int, $2::text[]', values: [7, ['a', 'b,c']], rowMode: 'array' })
  await see('syntax', client, 'selekt $1', [1])
}

async function named(client) {
  for (const id of [1, 2, 3]) {
    await see('named', client, { name: 's0', text: 'select name from goods where id = $1', values: [id] })
    await see('named', client, { name: 's1', text: 'select $1::int / (2 - $1::int) as n', values: [id] })
  }
  await see('in binary', client, { name: 's2', text: 'select $1::int4 as n', values: [5], binary: true })
}

async function blocks(client) {
  for (const end of ['rollback', 'commit']) {
    await see('begin', client, 'begin isolation level serializable')
    await see('update', client, { name: 'u', text: 'update goods set name = $1 where id = 1 returning *', values: [end] })
    await see('fails', client, 'select 1/0')
    await see('refused', client, 'select 1')
    await see('end', client, end)
    await see('after', client, 'select name from goods where id = 1')
  }
}

async function pipeline() {
  const client = await connect({ pipeline: true })
  const queries = []
  for (let i = 0; i < 50; i++) {
    queries.push(see(`pipeline ${i}`, client, { name: i % 2 ? 's0' : undefined, text: i % 2 ? 'select 10 / ($1::int % 5) as n' : 'select $1::int as m', values: [i] }))
  }
  queries.push(see('pipeline simple', client, 'select 3 as three'))
  await Promise.all(queries)
  await client.end()
}

async function cursors(client) {
  const cursor = client.query(new Cursor('select i, i * i as square from generate_series(1, $1::int) i', [25]))
  for (let rows; (rows = await cursor.read(10)).length > 0;) {
    say('cursor', rows)
  }
  await cursor.close()
  const early = client.query(new Cursor('select i from generate_series(1, 1000) i'))
  say('early', await early.read(3))
  await early.close()
  await see('after the cursor', client, 'select 1 as one')
}

async function notices(client) {
  client.on('notice', ({ message, severity, code }) => say('notice', { message, severity, code }))
  await see('do', client, "do $$ begin raise notice 'heard'; raise warning 'louder'; end $$")
  await see('settings', client, "set datestyle = 'German'")
  await see('date', client, "select date '2026-01-02'::text as day")
}

async function compare() {
  const client = await connect()
  for (const part of [unnamed, named, blocks, pipeline, cursors, notices]) {
    await part(client)
  }
  await client.end()
}

async function crowd(clients, times) {
  const all = await Promise.all(Array.from({ length: clients }, () => connect()))
  await Promise.all(all.map(async (client, id) => {
    for (let i = 0; i < times; i++) {
      await client.query('begin')
      const { rows: [{ n }] } = await client.query({ name: 's0', text: `select n, ${id} as me from counters where id = $1`, values: [id] })
      await client.query('update counters set n = $1 where id = $2', [n + 1, id])
      await client.query('commit')
      const { rows } = await client.query({ name: 's1', text: `select ${id} as me, $1::int as i`, values: [i] })
      assert.deepEqual(rows, [{ me: id, i }])
    }
  }))
  await Promise.all(all.map((client) => client.end()))
}

async function listen() {
  const one = await connect()
  const other = await connect()
  const heard = []
  let tell
  const last = new Promise((resolve) => { tell = resolve })
  one.on('notification', ({ channel, payload, processId }) => {
    heard.push({ channel, payload, own: processId === one.processID, others: processId === other.processID })
    if (channel === 'last one') tell()
  })
  for (const sql of ['listen a', 'listen "last one"', 'begin', 'listen gone', 'rollback']) await one.query(sql)
  await one.query("notify a, 'own'")
  await other.query("select pg_notify('a', $1)", ['another'])
  await other.query('notify gone')
  await one.query('begin')
  await other.query("notify a, 'meanwhile'")
  await one.query('commit')
  await other.query('notify "last one"')
  await last
  for (const h of heard) say('heard', h)
  await Promise.all([one.end(), other.end()])
}

const [mode, ...numbers] = process.argv.slice(2)
await { compare, crowd, listen }[mode](...numbers.map(Number))
