// SPDX-License-Identifier: Apache-2.0

// The schema engine's connections to PostgreSQL: those of adapter-pg, with four
// bridges to what the native engine does.
//
//   search_path   The native engine sends the schema of `?schema=` as a startup
//                 parameter. pg has none of this name, and without it every
//                 table would land in public.
//   "char"        The engine reads columns of this type, as characters, and
//                 adapter-pg refuses them.
//   shadow        adapter-pg reaches the shadow database by a name beside the
//                 URL, where the URL's counts, and drops it before it leaves it.
//   scripts       adapter-pg cuts a migration at every semicolon. The native
//                 engine sends it as one query.
//
// As in the native engine there is one connection per database and it stays
// open: the lock of a migration belongs to its session.

import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'

const char = 18 // PostgreSQL's type "char"
const text = 25

// codes are those that the native engine gives to a login that fails. The
// command line makes a database after P1003.
const codes = {
  AuthenticationFailed: 'P1000',
  DatabaseNotReachable: 'P1001',
  DatabaseDoesNotExist: 'P1003',
  DatabaseAccessDenied: 'P1010',
  TlsConnectionError: 'P1011',
  TooManyConnections: 'P2037',
}

class Client extends pg.Client {
  constructor(options) {
    super(options)
    this.schema = options.schema
  }

  getStartupConf() {
    return { ...super.getStartupConf(), search_path: `"${this.schema}"` }
  }

  _handleRowDescription(message) {
    for (const field of message.fields) {
      field.isChar = field.dataTypeID === char
      if (field.isChar) field.dataTypeID = text
    }
    super._handleRowDescription(message)
  }
}

// withChars has an adapter call text by its proper name where Client disguised
// characters as such.
function withChars(adapter) {
  const queryRaw = adapter.queryRaw
  adapter.queryRaw = async (query) => {
    let fields
    const watched = Object.create(adapter, {
      performIO: {
        value: async (query) => {
          const result = await adapter.performIO(query)
          fields = result.fields
          return result
        },
      },
    })
    const result = await queryRaw.call(watched, query)
    const columnTypes = result.columnTypes.map((type, i) => (fields[i].isChar ? ColumnTypeEnum.Character : type))
    return { ...result, columnTypes }
  }
}

// Server is what the engine calls an adapter factory. refusal is the code of
// the last error of a login.
export class Server {
  provider = 'postgres'
  adapterName = '@prisma/adapter-pg'

  constructor(url) {
    this.url = new URL(url)
  }

  connect() {
    return this.#open(this.url)
  }

  // connectToShadowDb makes a database that lives until its adapter is disposed
  // of.
  async connectToShadowDb() {
    const name = `prisma_migrate_shadow_db_${randomUUID()}`
    const main = await this.connect()
    await main.executeScript(`CREATE DATABASE "${name}"`)
    const shadow = await this.#open(this.#at(name))
    const leave = shadow.dispose.bind(shadow)
    shadow.dispose = async () => {
      await leave()
      await main.executeScript(`DROP DATABASE "${name}"`)
      await main.dispose()
    }
    return shadow
  }

  // create makes the URL's database.
  async create() {
    const main = await this.#open(this.#at('postgres'))
    await main.executeScript(`CREATE DATABASE "${decodeURIComponent(this.url.pathname.slice(1))}"`)
    await main.dispose()
  }

  #at(database) {
    const url = new URL(this.url)
    url.pathname = `/${database}`
    return url
  }

  // open gives an adapter whose one connection is opened by its first query and
  // closed by dispose.
  async #open(url) {
    const schema = url.searchParams.get('schema') ?? 'public'
    const seconds = Number(url.searchParams.get('connect_timeout') ?? 5)
    const pool = new pg.Pool({
      connectionString: url.href, Client, schema, max: 1, idleTimeoutMillis: 0, connectionTimeoutMillis: seconds * 1000,
    })
    const adapter = await new PrismaPg(pool, { schema, disposeExternalPool: true }).connect()
    const convert = adapter.onError.bind(adapter)
    adapter.onError = (error) => {
      try {
        convert(error)
      } catch (converted) {
        this.refusal = codes[converted.cause?.kind]
        throw converted
      }
    }
    withChars(adapter)
    adapter.executeScript = async (script) => {
      await pool.query(script).catch(adapter.onError)
    }
    return adapter
  }
}
