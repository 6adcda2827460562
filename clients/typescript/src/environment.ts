// SPDX-License-Identifier: Apache-2.0

import { ConfigurationError } from './errors.js'

const unitMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** setTimeout takes no longer time: 2^31 - 1 ms, about 25 days. */
export const longestMs = 0x7fffffff

/** The variable's value, or undefined when it is unset or empty, as in weir itself. */
export function variable(name: string): string | undefined {
  return process.env[name]?.trim() || undefined
}

/** Slots of this process: `WEIR_CLIENT_SLOTS`, else `DATABASE_POOL_MAX`, else 10. */
export function slotsSetting(): number {
  const name = variable('WEIR_CLIENT_SLOTS') === undefined ? 'DATABASE_POOL_MAX' : 'WEIR_CLIENT_SLOTS'
  const text = variable(name)
  if (text === undefined) return 10
  if (!/^\+?\d+$/.test(text) || Number(text) < 1 || !Number.isSafeInteger(Number(text))) {
    throw new ConfigurationError(
      `${name} is ${JSON.stringify(text)}; set it to a whole number of at least 1.`,
    )
  }
  return Number(text)
}

/** `DATABASE_POOL_ACQUIRE_TIMEOUT` in milliseconds, else 30 s. */
export function acquireTimeoutSetting(): number {
  return durationSetting('DATABASE_POOL_ACQUIRE_TIMEOUT', 30_000)
}

/** A duration as weir reads it: whole milliseconds, or Go's form such as 1m30s. */
function durationSetting(name: string, otherwise: number): number {
  const text = variable(name)
  if (text === undefined) return otherwise
  const ms = /^\d+$/.test(text) ? Number(text) : goDuration(text)
  if (!(ms > 0 && ms <= longestMs)) {
    throw new ConfigurationError(
      `${name} is ${JSON.stringify(text)}; set it to milliseconds above 0, such as 30000, or to a duration such as 30s.`,
    )
  }
  return ms
}

/** Milliseconds of a duration such as 1.5s or 1m30s; NaN when it is none. */
function goDuration(text: string): number {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return NaN
  let ms = 0
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(number) * unitMs[unit!]!
  }
  return ms
}

/** The base of weir's HTTP API, without a slash at its end: `WEIR_HTTP_URL`, else http://127.0.0.1:6433. */
export function gatewayURL(): string {
  const text = variable('WEIR_HTTP_URL') ?? 'http://127.0.0.1:6433'
  if (!/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) {
    throw new ConfigurationError(
      // not its value, which may hold a password
      'WEIR_HTTP_URL is no http:// or https:// URL; set it to one such as http://127.0.0.1:6433.',
    )
  }
  return text.replace(/\/+$/, '')
}

/** The role that `DATABASE_URL`, else `PGUSER`, names; undefined when neither does. */
export function roleSetting(): string | undefined {
  const url = variable('DATABASE_URL')
  if (url === undefined || !URL.canParse(url)) return variable('PGUSER')
  const { username, searchParams } = new URL(url)
  return decodeURIComponent(username) || searchParams.get('user') || variable('PGUSER')
}
