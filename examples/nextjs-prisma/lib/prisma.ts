// SPDX-License-Identifier: Apache-2.0

import { PrismaPg } from '@prisma/adapter-pg'
import { createPrismaClient } from '@weir/client'
import { PrismaClient } from '@/generated/prisma/client'

export const prisma = createPrismaClient(PrismaClient, { adapter: PrismaPg })
