// SPDX-License-Identifier: Apache-2.0

// What would be published, and what those who install it can do with it.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')

describe('the package', { timeout: 600_000 }, () => {
  let dir: string
  let paths: string[]

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'weir-client-'))
    const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', dir], {
      cwd: root,
    })
    const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
    paths = files.map((f) => f.path)
    await mkdir(join(dir, 'node_modules/@weir'), { recursive: true })
    await run('tar', ['-xzf', join(dir, filename), '-C', dir])
    await run('mv', [join(dir, 'package'), join(dir, 'node_modules/@weir/client')])
  })
  after(() => rm(dir, { recursive: true, force: true }))

  /** Makes packages of this one's node_modules known to what the tests write. */
  async function link(...names: string[]): Promise<void> {
    for (const name of names) {
      const place = join(dir, 'node_modules', name)
      await mkdir(dirname(place), { recursive: true })
      await symlink(join(root, 'node_modules', name), place)
    }
  }

  /** Compiles files as an application would, types of packages included. */
  async function compile(files: Record<string, string>, options: object): Promise<void> {
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
    const compilerOptions = {
      target: 'ES2022',
      lib: ['ES2022', 'DOM'],
      types: [],
      strict: true,
      noEmit: true,
      ...options,
    }
    await writeFile(
      join(dir, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: Object.keys(files) }),
    )
    await run(process.execPath, [tsc, '-p', dir]).catch((error: { stdout: string }) =>
      assert.fail(error.stdout),
    )
  }

  test('has what it needs and no more', () => {
    for (const path of ['LICENSE', 'README.md', 'package.json', 'dist/esm/index.js', 'dist/esm/index.d.ts']) {
      assert.ok(paths.includes(path), `${path} is missing`)
    }
    for (const path of ['dist/cjs/index.js', 'dist/cjs/index.d.ts', 'dist/cjs/package.json']) {
      assert.ok(paths.includes(path), `${path} is missing`)
    }
    const strange = paths.filter(
      (p) => !/^(LICENSE|README\.md|package\.json|dist\/.+\.(js|d\.ts|json))$/.test(p),
    )
    assert.deepEqual(strange, [])
  })

  test('depends on nothing at run time', async () => {
    const manifest = JSON.parse(await readFile(join(dir, 'node_modules/@weir/client/package.json'), 'utf8'))
    assert.equal(manifest.dependencies, undefined)
    const use = `const { executeWithConnection } = await import('@weir/client'); console.log(await executeWithConnection(() => 1))`
    const { stdout } = await run(process.execPath, ['-e', `(async () => { ${use} })()`], { cwd: dir })
    assert.equal(stdout, '1\n')
    const required = `require('@weir/client').executeWithConnection(() => 2).then(console.log)`
    assert.equal((await run(process.execPath, ['-e', required], { cwd: dir })).stdout, '2\n')
  })

  test('has types for every way to resolve it, also without those of Prisma and Node', async () => {
    const use = `
      import { executeBatchWithConnection, type ConnectionStatus } from '@weir/client'
      export const results: Promise<[number, string]> = executeBatchWithConnection([() => 1, async () => 'a'])
      export type Status = ConnectionStatus
    `
    await compile({ 'a.mts': use, 'b.cts': use }, { module: 'NodeNext', esModuleInterop: true })
    await compile({ 'a.ts': use }, { module: 'CommonJS', moduleResolution: 'Node10' })
  })

  test('has a README whose examples compile', async () => {
    await link(
      '@prisma',
      '.prisma',
      'pg',
      '@types/pg',
      '@types/node',
      'undici-types',
      'pg-types',
      'pg-protocol',
    )
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    const examples = [...readme.matchAll(/```ts\n(?:\/\/ (\S+\.ts)\n)?([^]*?)```/g)]
    assert.ok(examples.length >= 4, 'the README has examples')
    const files = Object.fromEntries(
      examples.map(([, name, text], i) => [
        (name ?? `example${i}.ts`).replaceAll('/', '_'),
        `${text}\nexport {}\n`,
      ]),
    )
    // The application's own module, which the examples import as frameworks resolve it.
    assert.ok(files['lib_prisma.ts'], 'the README shows lib/prisma.ts')
    await compile(files, {
      module: 'ESNext',
      moduleResolution: 'Bundler',
      types: ['node'],
      skipLibCheck: true,
      paths: { '@/lib/prisma': [join(dir, 'lib_prisma.ts')] },
    })
  })
})
