// SPDX-License-Identifier: Apache-2.0

import { shared } from '../shared.js'

/** Most that queries which run at SIGTERM get to end. */
const graceMs = 5_000

/**
 * Has all clients of this process close on SIGTERM. The process ends as it
 * would without: if nobody else listens for the signal it is sent again, once
 * they are closed or have had their time; else ending is up to who listens.
 */
export function closeOnSignal(): void {
  const state = shared()
  if (state.closesOnSignal) return
  state.closesOnSignal = true
  // First and once, so that others who count listeners do not count this one.
  process.prependOnceListener('SIGTERM', () => {
    state.closesOnSignal = false
    const alone = process.listenerCount('SIGTERM') === 0
    void closeAll(!alone).then(() => {
      if (alone) process.kill(process.pid, 'SIGTERM')
    })
  })
}

/** Never rejects. If it may not delay the end of the process, that may come before. */
async function closeAll(unref: boolean): Promise<void> {
  const closed = Promise.allSettled(Array.from(shared().clients.values(), (own) => own.close()))
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, graceMs)
    if (unref) timer.unref()
    void closed.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
