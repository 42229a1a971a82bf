import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { serverOnPath } from './installation.ts'

test('a server script on the PATH is found where it really is', async (t) => {
  const { folder, bin } = await place(t)
  await executable(join(folder, 'sbin', 'rabbitmq-server'))
  await executable(join(folder, 'sbin', 'rabbitmq-env'))
  await symlink(join(folder, 'sbin', 'rabbitmq-server'), join(bin, 'rabbitmq-server'))
  assert.equal(serverOnPath(bin), join(folder, 'sbin', 'rabbitmq-server'))
})

test('a wrapper that changes user is passed over, linked or copied', async (t) => {
  const { folder, bin } = await place(t)
  await executable(join(folder, 'sbin', 'rabbitmq-script-wrapper'))
  await executable(join(folder, 'sbin', 'rabbitmq-env'))
  await symlink(join(folder, 'sbin', 'rabbitmq-script-wrapper'), join(bin, 'rabbitmq-server'))
  assert.equal(serverOnPath(bin), undefined)
  await rm(join(bin, 'rabbitmq-server'))
  await executable(join(bin, 'rabbitmq-server'))
  assert.equal(serverOnPath(bin), undefined)
})

async function place(t: TestContext): Promise<{ folder: string; bin: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-installation-'))
  t.after(() => rm(folder, { recursive: true }))
  const bin = join(folder, 'bin')
  for (const name of ['bin', 'sbin']) await mkdir(join(folder, name))
  return { folder, bin }
}

async function executable(file: string): Promise<void> {
  await writeFile(file, '#!/bin/sh\n', { mode: 0o755 })
}
