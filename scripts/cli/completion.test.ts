import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { commands } from './commands/all.ts'
import { completionScript } from './completion.ts'

test('bash completes commands, the words of a group, and options', () => {
  assert.deepEqual(complete('backstory', 're'), ['rebuild', 'record', 'relay', 'replay'])
  assert.ok(complete('backstory', 'history', '').includes('export'))
  assert.deepEqual(complete('backstory', 'history', 'list', '--new'), ['--newest-first'])
  assert.ok(complete('backstory', 'replay', '--').includes('--dry-run'))
})

test('zsh and fish get every command', () => {
  for (const shell of ['zsh', 'fish'] as const) {
    const script = completionScript(shell, commands)
    for (const { name } of commands)
      for (const word of name.split(' ')) assert.ok(script.includes(word), word)
  }
})

function complete(...words: string[]): string[] {
  const script = `${completionScript('bash', commands)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_backstory; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n').sort()
}
