// SPDX-License-Identifier: Apache-2.0

import { roleSetting } from './environment.js'
import { GatewayError } from './errors.js'
import { askGateway, content } from './gateway.js'

/** What only weir knows, of all processes that use one role together. */
export interface GatewayStatus {
  /** the role of `DATABASE_URL`; null when it names none, and the numbers are of all roles */
  role: string | null
  /** connections to PostgreSQL: open, and most that may be */
  upstreams: { used: number; allowed: number }
  /** requests in weir's queue */
  waiting: number
  /** how long the oldest of them has waited, in milliseconds; 0 when nothing waits */
  oldestWaitMs: number
  /** when weir took these numbers */
  takenAt: string
}

/** Asks weir for its status now. Rejects with a GatewayError. */
export async function fetchGatewayStatus(timeoutMs: number, keepAlive: boolean): Promise<GatewayStatus> {
  const answer = await askGateway({ method: 'GET', path: '/api/v1/status', timeoutMs, keepAlive })
  const snapshot = content(answer)
  if (!isSnapshot(snapshot)) throw new GatewayError(answer.url, 'what answers is not weir')
  return summary(snapshot, roleSetting())
}

/** The part of weir's answer that is used here; internal/observe/snapshot.go has the whole. */
interface Snapshot {
  taken: string
  pools: Pool[]
  budgets: Budget[]
}

interface Pool {
  user: string
  idle: number
  active: number
  connecting: number
  listening: number
  max: number
  waiting: number
  oldest_wait_seconds: number
}

interface Budget {
  scope: 'server' | 'database' | 'role'
  name: string
  /** -1 for no limit */
  effective: number
  in_use: number
}

function isSnapshot(value: unknown): value is Snapshot {
  const { taken, pools, budgets } = (value ?? {}) as Partial<Record<keyof Snapshot, unknown>>
  return typeof taken === 'string' && Array.isArray(pools) && Array.isArray(budgets)
}

function summary({ taken, pools, budgets }: Snapshot, role: string | undefined): GatewayStatus {
  const own = pools.filter((p) => role === undefined || p.user === role)
  const ownBudgets = budgets.filter((b) => b.scope === 'role' && b.name === role)
  // A role's budget counts its replication connections, too, which belong to no pool.
  const used = ownBudgets.length > 0 ? sum(ownBudgets, (b) => b.in_use) : sum(own, opened)
  return {
    role: role ?? null,
    upstreams: {
      used,
      allowed: Math.min(
        sum(own, (p) => p.max),
        most(ownBudgets),
        most(budgets.filter(ofServer)),
      ),
    },
    waiting: sum(own, (p) => p.waiting),
    oldestWaitMs: Math.round(Math.max(0, ...own.map((p) => p.oldest_wait_seconds)) * 1000),
    takenAt: taken,
  }
}

const opened = (p: Pool) => p.idle + p.active + p.connecting + p.listening
const ofServer = (b: Budget) => b.scope === 'server'

/** What budgets allow together; without bound if one of them has no limit, or there is none. */
function most(budgets: Budget[]): number {
  if (budgets.length === 0 || budgets.some((b) => b.effective < 0)) return Infinity
  return sum(budgets, (b) => b.effective)
}

function sum<T>(list: T[], number: (item: T) => number): number {
  return list.reduce((total, item) => total + number(item), 0)
}
