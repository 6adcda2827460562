// SPDX-License-Identifier: Apache-2.0

import type { ConnectionStatus } from './limiter.js'
import { limiter } from './shared.js'

/** The limiter of this process. */
export const databaseOptimizer = {
  /** Slots in use, and calls that wait for one, at this moment. */
  getConnectionStatus(): ConnectionStatus {
    return limiter().status()
  },
}
