// SPDX-License-Identifier: Apache-2.0

import { defineConfig } from 'prisma/config'

// The same URL as the application's: with weir the command line needs no other.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  datasource: { url: process.env.DATABASE_URL ?? '' },
})
