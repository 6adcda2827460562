// SPDX-License-Identifier: Apache-2.0

import { databaseMonitor, executeBatchWithConnection, executeWithConnection } from '@weir/client'
import { revalidatePath } from 'next/cache'
import { prisma } from '@/lib/prisma'

// Each request reads the database, and so does none while the application is built.
export const dynamic = 'force-dynamic'

async function add(form: FormData) {
  'use server'
  const text = String(form.get('text') ?? '').trim()
  if (text !== '') await executeWithConnection(() => prisma.note.create({ data: { text } }))
  revalidatePath('/')
}

export default async function Page() {
  const [count, notes] = await executeBatchWithConnection([
    () => prisma.note.count({ cacheStrategy: { ttl: 5, tags: ['notes'] } }),
    () => prisma.note.findMany({ orderBy: { id: 'desc' }, take: 10 }),
  ])
  const { gateway, current, max } = databaseMonitor.getStatus()
  return (
    <main>
      <h1>{count} notes</h1>
      <form action={add}>
        <input name="text" aria-label="A note" required /> <button>Add</button>
      </form>
      <ul>
        {notes.map((note) => (
          <li key={note.id}>{note.text}</li>
        ))}
      </ul>
      <p>
        This process uses {current} of its {max} slots.{' '}
        {gateway !== null &&
          `weir has ${gateway.upstreams.used} of ${gateway.upstreams.allowed} connections to PostgreSQL open, and ${gateway.waiting} requests wait for one.`}
      </p>
    </main>
  )
}
