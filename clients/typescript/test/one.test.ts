// SPDX-License-Identifier: Apache-2.0

// A single slot: whatever can deadlock does so here.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { databaseOptimizer, executeBatchWithConnection, executeWithConnection } from '@weir/client'
import { patienceMs, turn } from './support.js'

process.env.WEIR_CLIENT_SLOTS = '1'

describe('with one slot', { timeout: patienceMs }, () => {
  test('nested calls end', async () => {
    const deep = (n: number): Promise<number> =>
      executeWithConnection(async () => (n === 0 ? 0 : 1 + (await deep(n - 1))))
    assert.equal(await deep(50), 50)
  })

  test('nested batches of nested batches end, one leaf at a time, beside other calls', async () => {
    let running = 0
    const leaf = async () => {
      assert.equal(++running, 1)
      await turn()
      running--
      return 1
    }
    const tree = async (depth: number): Promise<number> => {
      const below = depth === 0 ? leaf : () => tree(depth - 1)
      return (await executeBatchWithConnection([below, below, below])).reduce((a, b) => a + b, 0)
    }
    assert.deepEqual(await Promise.all([tree(3), tree(1), executeWithConnection(leaf)]), [81, 9, 1])
    assert.deepEqual(databaseOptimizer.getConnectionStatus(), { current: 0, max: 1, available: 1, queued: 0 })
  })
})
