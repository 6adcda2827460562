// SPDX-License-Identifier: Apache-2.0

import { ConfigurationError } from '../errors.js'
import { askGateway, content } from '../gateway.js'
import { checkedTags } from './strategy.js'

/** What `$weir.invalidate` did. */
export interface Invalidated {
  /** results that weir has forgotten */
  invalidated: number
  /** false when this weir keeps no results at all, so that none can be stale */
  cache: boolean
}

const timeoutMs = 5_000

/**
 * Has weir forget the results with these tags. Rejects with a GatewayError when
 * weir does not answer, since stale results may then be given on.
 */
export async function invalidate({ tags }: { tags: readonly string[] }): Promise<Invalidated> {
  if (!Array.isArray(tags) || tags.length === 0) {
    throw new ConfigurationError('$weir.invalidate needs tags, at least one.')
  }
  const body = { tags: checkedTags(tags) }
  const answer = await askGateway({
    method: 'POST',
    path: '/api/v1/cache/invalidate',
    body,
    timeoutMs,
    keepAlive: true,
  })
  // A weir without a result cache has no such endpoint, and takes no POST.
  if ([404, 405, 501].includes(answer.status)) return { invalidated: 0, cache: false }
  const { invalidated } = content(answer) as { invalidated?: unknown }
  return { invalidated: typeof invalidated === 'number' ? invalidated : 0, cache: true }
}
