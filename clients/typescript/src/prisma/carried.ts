// SPDX-License-Identifier: Apache-2.0

import { AsyncLocalStorage } from 'node:async_hooks'

/** A strategy on its way from a read of Prisma's to the statements it becomes. */
export interface Carried {
  comment: string
  /** the read: statements of another one get no comment */
  model: string
  action: string
  /** the next statement is of this read */
  due: boolean
}

/** The strategy of the read in whose course code runs. */
export const carried = new AsyncLocalStorage<Carried>()
