// SPDX-License-Identifier: Apache-2.0

import { ConfigurationError } from '../errors.js'

/** How long weir may answer a read from memory. The names are those of Prisma Accelerate. */
export interface CacheStrategy {
  /** seconds for which a result is fresh */
  ttl?: number
  /** seconds after that in which it may be given once more, while it is fetched anew */
  swr?: number
  /** names by which `$weir.invalidate` finds it */
  tags?: readonly string[]
}

/**
 * A strategy in the form that weir reads at the beginning of a statement:
 * slash, star, `weir: ttl=60 swr=30 tags=a,b`, star, slash. Empty for an empty strategy.
 */
export function commentOf({ ttl, swr, tags }: CacheStrategy): string {
  const words = [
    ...(ttl === undefined ? [] : [`ttl=${seconds('ttl', ttl)}`]),
    ...(swr === undefined ? [] : [`swr=${seconds('swr', swr)}`]),
    ...(tags === undefined || tags.length === 0 ? [] : [`tags=${checkedTags(tags).map(encode).join(',')}`]),
  ]
  return words.length === 0 ? '' : `/* weir: ${words.join(' ')} */ `
}

function seconds(name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new ConfigurationError(`cacheStrategy.${name} is ${String(value)}; it must be whole seconds.`)
}

/** Tags as they are, if each is a string with something in it. */
export function checkedTags(tags: readonly unknown[]): string[] {
  return tags.map((tag) => {
    if (typeof tag === 'string' && tag !== '' && !/\p{Surrogate}/u.test(tag)) return tag
    throw new ConfigurationError(
      `A cache tag is ${JSON.stringify(tag)}; it must be text of at least one character.`,
    )
  })
}

/**
 * Percent-encodes all but letters, digits and `_ - .`, so that a tag can end
 * neither the comment nor its place in it.
 */
function encode(tag: string): string {
  return encodeURIComponent(tag).replace(/[!'()*~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
