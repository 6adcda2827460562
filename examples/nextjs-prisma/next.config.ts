// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path'
import type { NextConfig } from 'next'

// @weir/client is a link into this repository, which has to be in the root. An
// application that installs it from npm needs none of this.
const root = join(import.meta.dirname, '../..')

export default { turbopack: { root }, outputFileTracingRoot: root } satisfies NextConfig
