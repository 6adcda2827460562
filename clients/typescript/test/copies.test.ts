// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import * as esm from '@weir/client'
import { patienceMs, turn } from './support.js'

process.env.WEIR_CLIENT_SLOTS = '4'

test(
  'the ES module, the CommonJS build and a hot reload share one limit',
  { timeout: patienceMs },
  async () => {
    const require = createRequire(import.meta.url)
    const cjs = require('@weir/client') as typeof esm
    // As a hot reload does: the same files, evaluated once more.
    for (const file of Object.keys(require.cache)) if (file.includes('/dist/cjs/')) delete require.cache[file]
    const again = require('@weir/client') as typeof esm
    assert.equal(new Set([esm, cjs, again].map((m) => m.executeWithConnection)).size, 3)

    let running = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++running)
      for (let i = 0; i < 5; i++) await turn()
      running--
    }
    const copies = [esm, cjs, again]
    const calls = Array.from({ length: 12 }, (_, i) => copies[i % 3]!.executeWithConnection(work))
    for (const { databaseOptimizer } of copies) {
      assert.deepEqual(databaseOptimizer.getConnectionStatus(), {
        current: 4,
        max: 4,
        available: 0,
        queued: 8,
      })
    }
    await Promise.all(calls)
    assert.equal(most, 4)

    const nested = await esm.executeWithConnection(() =>
      cjs.executeWithConnection(() => again.databaseOptimizer.getConnectionStatus().current),
    )
    assert.equal(nested, 1, 'a nested call of another copy took a slot')
  },
)
