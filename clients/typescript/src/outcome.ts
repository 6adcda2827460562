// SPDX-License-Identifier: Apache-2.0

/**
 * What an error proves about the work that it ended. "undone": never executed,
 * or executed and rolled back. "unknown": it may have happened. undefined: the
 * error is not about connections or conflicts, and repeating would not help.
 */
export type Outcome = 'undone' | 'unknown' | undefined

/** Codes of Prisma and of PostgreSQL, and kinds of Prisma's DriverAdapterError, which raw queries have alone. */
const undone = new Set([
  'P2037', // too many database connections
  'P1001', // the server cannot be reached
  'P2024', // Prisma 6: no connection of its pool became free
  'P2034', // write conflict or deadlock
  '53300', // too_many_connections, also of weir's queue
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  'TooManyConnections',
  'DatabaseNotReachable',
  'TransactionWriteConflict',
])

const unknown = new Set([
  'P1017', // the server closed the connection
  'P1008', // socket time-out
  'P2028', // transaction API, such as its time-out
  '40003', // statement_completion_unknown
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  'ConnectionClosed',
  'SocketTimeout',
])

/** Errors of sockets, which only drivers' own errors carry at their top. */
const neverConnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'])
const lost = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/** Errors of node-postgres that have a text and no code. */
const neverConnectedTexts = new Set([
  'timeout exceeded when trying to connect', // no connection of the pool became free
  'Connection terminated due to connection timeout', // before it was logged in
])
const lostTexts = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Client has encountered a connection error and is not queryable',
])

/**
 * Looks at an error and at what drivers and Prisma put inside. One sign that
 * work may have happened outweighs every proof that other work has not.
 */
export function outcomeOf(error: unknown): Outcome {
  let found: Outcome
  for (const part of parts(error)) {
    for (const sign of [part.code, part.errorCode, part.originalCode, part.kind]) {
      if (typeof sign !== 'string') continue
      if (unknown.has(sign) || sign.startsWith('08')) return 'unknown'
      if (undone.has(sign)) found = 'undone'
    }
  }
  return found ?? outcomeOfDriver(error)
}

/** Codes of work that was undone because of other work at the same time. */
const conflicts = new Set(['P2034', '40001', '40P01', 'TransactionWriteConflict'])

/** Whether the work ran, and was undone because of other work. */
export function isConflict(error: unknown): boolean {
  for (const part of parts(error)) {
    for (const sign of [part.code, part.errorCode, part.originalCode, part.kind]) {
      if (typeof sign === 'string' && conflicts.has(sign)) return true
    }
  }
  return false
}

type Part = Record<string, unknown>

/** The error, and what is in its cause, meta and driverAdapterError, to a sane depth. */
function* parts(error: unknown, depth = 0): Generator<Part> {
  if (typeof error !== 'object' || error === null || depth > 6) return
  const part = error as Part
  yield part
  for (const inside of [part.cause, part.meta, part.driverAdapterError]) {
    yield* parts(inside, depth + 1)
  }
}

function outcomeOfDriver(error: unknown): Outcome {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') {
    return neverConnected.has(code) ? 'undone' : lost.has(code) ? 'unknown' : undefined
  }
  if (neverConnectedTexts.has(error.message)) return 'undone'
  return lostTexts.has(error.message) ? 'unknown' : undefined
}
