// SPDX-License-Identifier: Apache-2.0

import { databaseMonitor } from '@weir/client'
import '@/lib/prisma'

export const dynamic = 'force-dynamic'

export async function GET() {
  const ok = await databaseMonitor.checkHealth()
  return Response.json({ ok, ...databaseMonitor.getStatus() }, { status: ok ? 200 : 503 })
}
