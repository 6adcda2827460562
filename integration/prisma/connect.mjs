// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '@prisma/client'

const digest = (data) => createHash('sha256').update(data).digest('hex').slice(0, 16)

// Nothing here is about how fast this machine is.
const transactionOptions = { maxWait: 60_000, timeout: 60_000 }

// connect makes a client with a pool of its own, whose statements have names
// where it is told so.
export function connect({ named = false, ...pool } = {}) {
  const names = named ? { statementNameGenerator: ({ sql }) => `p${digest(sql)}` } : {}
  const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL, ...pool }, names)
  return new PrismaClient({ adapter, errorFormat: 'minimal', transactionOptions })
}

function plain(key, value) {
  if (typeof value === 'bigint') return `${value}n`
  if (this[key] instanceof Uint8Array) return `${this[key].length} bytes, ${digest(this[key])}`
  return value
}

export function say(what, value) {
  console.log(JSON.stringify({ what, value }, plain))
}

// explain is an error as the application sees it.
export function explain({ name, code, message, meta, cause }) {
  return { name, code, message: message.trim(), cause: meta?.driverAdapterError?.cause ?? cause }
}
