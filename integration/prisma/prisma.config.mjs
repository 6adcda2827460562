// SPDX-License-Identifier: Apache-2.0

// What Prisma's command line uses: the application's own URL.

import { defineConfig } from 'prisma/config'

export default defineConfig({ schema: 'prisma/schema.prisma', datasource: { url: process.env.DATABASE_URL } })
