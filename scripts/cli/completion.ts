/**
 * Completion scripts for shells, made of the commands' declarations. They call nothing: a key press costs no
 * start of Node.
 */
import { type Command, commonOptions } from './command.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return shell === 'fish' ? fishScript(commands) : bashScript(commands, { isZsh: shell === 'zsh' })
}

/** zsh understands bash's, once it is asked to. */
function bashScript(commands: readonly Command[], { isZsh }: { isZsh: boolean }): string {
  const groups = groupsOf(commands)
  const cases = commands.map((command) => `    '${command.name}') words='${optionsOf(command).join(' ')}' ;;`)
  const groupCases = [...groups].map(([group, words]) => `    '${group}') words='${words.join(' ')}' ;;`)
  return `${isZsh ? '#compdef backstory\nautoload -U +X bashcompinit && bashcompinit\n' : ''}_backstory() {
  local current=\${COMP_WORDS[COMP_CWORD]} words command=\${COMP_WORDS[1]}
  case "\${COMP_WORDS[1]}" in
    ${[...groups.keys()].join('|')}) [ "$COMP_CWORD" -gt 2 ] && command="$command \${COMP_WORDS[2]}" ;;
  esac
  [ "$COMP_CWORD" -le 1 ] && command=''
  case "$command" in
    '') words='${topWords(commands).join(' ')}' ;;
${[...groupCases, ...cases].join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  # Files only where a word may be one.
  case "$COMP_CWORD:$current" in
    1:*|*:-*|*:) ;;
    *) COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _backstory backstory
`
}

function fishScript(commands: readonly Command[]): string {
  const lines = ['complete -c backstory -f']
  const groups = groupsOf(commands)
  for (const { name, summary } of commands.filter((command) => !command.name.includes(' '))) {
    lines.push(`complete -c backstory -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`)
  }
  for (const [group, words] of groups) {
    lines.push(`complete -c backstory -n __fish_use_subcommand -a ${group}`)
    const isOpen = `'__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${words.join(' ')}'`
    lines.push(`complete -c backstory -n ${isOpen} -a '${words.join(' ')}'`)
  }
  for (const { name, options } of commands) {
    const seen = name
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ')
    for (const [option, { describe, type }] of Object.entries({ ...options, ...commonOptions })) {
      const takes = type === 'flag' ? '' : ' -r -F'
      lines.push(`complete -c backstory -n '${seen}' -l ${option}${takes} -d ${quoted(describe)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** The second words of commands of two, by the first. */
function groupsOf(commands: readonly Command[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { name } of commands) {
    const [group, word] = name.split(' ')
    if (word !== undefined) groups.set(group!, [...(groups.get(group!) ?? []), word])
  }
  return groups
}

function topWords(commands: readonly Command[]): string[] {
  return [...new Set(commands.map(({ name }) => name.split(' ')[0]!)), '--help', '--version']
}

function optionsOf({ options }: Command): string[] {
  return [...Object.keys(options), ...Object.keys(commonOptions), 'help'].map((name) => `--${name}`)
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
