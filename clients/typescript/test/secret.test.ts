// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { databaseMonitor } from '@weir/client'

afterEach(() => delete process.env.WEIR_HTTP_URL)

for (const url of [
  'http://app:correct@127.0.0.1:1',
  'app:correct@127.0.0.1:1',
  'postgres://app:correct@127.0.0.1/app',
]) {
  test(`the password in WEIR_HTTP_URL=${url} is in no error`, async () => {
    process.env.WEIR_HTTP_URL = url
    const error: unknown = await databaseMonitor.fetchStatus().then(
      () => undefined,
      (e: unknown) => e,
    )
    assert.ok(error instanceof Error)
    assert.doesNotMatch(JSON.stringify({ ...error, message: error.message, stack: error.stack }), /correct/)
  })
}
