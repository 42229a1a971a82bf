import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distributionsOf, installAdvice, isDebian, type System } from './advice.ts'

const linux = (distributions: string[], isRoot = false): System => ({
  platform: 'linux',
  distributions,
  isRoot,
})

test('each system is told the commands of its own package manager', () => {
  const expected: [System, string[]][] = [
    [linux(['ubuntu', 'debian']), ['sudo apt-get update', 'sudo apt-get install -y rabbitmq-server']],
    [linux(['debian'], true), ['apt-get update', 'apt-get install -y rabbitmq-server']],
    [linux(['rocky', 'rhel', 'centos', 'fedora']), ['sudo dnf install -y rabbitmq-server']],
    [{ platform: 'darwin', distributions: [], isRoot: false }, ['brew install rabbitmq']],
    [{ platform: 'win32', distributions: [], isRoot: false }, ['choco install rabbitmq']],
  ]
  for (const [system, commands] of expected) {
    const lines = installAdvice(system).split('\n')
    for (const command of commands)
      assert.ok(lines.includes(`    ${command}`), `${command}\n${lines.join('\n')}`)
  }
})

test('every system is told how to run RabbitMQ in Docker and how to name a broker', () => {
  for (const system of [linux([]), linux(['arch']), linux(['debian'])]) {
    const advice = installAdvice(system)
    assert.match(advice, /^ {4}docker run .* rabbitmq:4$/m)
    assert.match(advice, /^ {4}export BACKSTORY_BROKER=amqp:/m)
  }
  assert.match(installAdvice({ ...linux([]), platform: 'win32' }), /^ {4}\$env:BACKSTORY_BROKER = 'amqp:/m)
})

test('a distribution is known by its id and by those that it is like', () => {
  const mint = 'NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\n'
  assert.deepEqual(distributionsOf(mint), ['linuxmint', 'ubuntu', 'debian'])
  assert.ok(isDebian(linux(distributionsOf(mint))))
  assert.equal(isDebian(linux(distributionsOf('ID=alpine\n'))), false)
})
