import { faults } from '@scrapenest-webhooks/simulator'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { collect } from '../src/arguments.ts'
import { createProgram } from '../src/program.ts'

function commandsOf(command: Command): readonly (readonly [string, Command])[] {
  return command.commands.flatMap((child) => [[nameOf(child), child] as const, ...commandsOf(child)])
}

function nameOf(command: Command): string {
  return command.parent?.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()
}

/** Runs the parser alone. @returns what it prints, and the exit code it asks for. */
async function parse(...words: string[]): Promise<{ output: string; exitCode: number | undefined }> {
  const program = createProgram()
  let output = ''
  const write = (text: string): void => {
    output += text
  }
  for (const [, command] of [['', program] as const, ...commandsOf(program)]) {
    command.configureOutput({ writeOut: write, writeErr: write, getOutHelpWidth: () => 80 })
  }
  try {
    await program.parseAsync(words, { from: 'user' })
    return { output, exitCode: undefined }
  } catch (error) {
    return { output, exitCode: (error as { exitCode?: number }).exitCode }
  }
}

describe('--help', () => {
  it.each(commandsOf(createProgram()))('of %s describes the command and each of its options', async (name, command) => {
    const { output, exitCode } = await parse(...name.split(' '), '--help')
    expect(exitCode).toBe(0)
    expect(output).toContain(`Usage: scrapenest-webhooks ${name}`)
    expect(command.description()).not.toBe('')
    for (const { long, description } of command.options) {
      expect(output).toContain(long)
      expect(description, `${name} ${long}`).not.toBe('')
    }
  })

  it.each(['', ...commandsOf(createProgram()).map(([name]) => name)])('of %s fits in 80 columns', async (name) => {
    const { output } = await parse(...name.split(' ').filter(Boolean), '--help')
    expect(output.split('\n').filter((line) => [...line].length > 80)).toEqual([])
  })

  it('of the program shows examples, environment and exit codes', async () => {
    const { output } = await parse('--help')
    for (const word of ['Examples:', 'SCRAPENEST_WEBHOOK_SECRET', 'SCRAPENEST_API_KEY', 'Exit codes:']) {
      expect(output).toContain(word)
    }
  })

  it('of simulate lists every fault', async () => {
    const { output } = await parse('simulate', '--help')
    for (const fault of faults) expect(output).toContain(fault)
  })
})

it.each([
  [['trigger'], /missing required argument 'event'/],
  [['trigger', 'job.created', '--tampered'], /unknown option '--tampered'/],
  [['trigger', 'job.created', '--to', 'nowhere'], /Expected a URL/],
  [['verify'], /required option '-b, --body <file>'/],
  [['doctor', 'localhost:3000'], /Expected a URL/],
  [['simulate', '--speed', '0'], /Expected a number from 0.001/],
  [['inbox', 'purge', '--state', 'ready'], /Allowed choices are done, dead/],
  [['nonsense'], /unknown command 'nonsense'/],
])('%j is refused, and the message says why', async (words, message) => {
  const { output, exitCode } = await parse(...words)
  expect(output).toMatch(message)
  expect(output).toContain('(see --help)')
  expect(exitCode).not.toBe(0)
})

describe('an id that starts with a dash', () => {
  it('is refused as an option, and the message names --', async () => {
    expect((await parse('inbox', 'show', '-e5PICdUp44')).output).toContain('goes after --, at the end')
  })

  it('is an argument after --', async () => {
    const program = createProgram()
    const ids: string[] = []
    const show = program.commands
      .find((command) => command.name() === 'inbox')
      ?.commands.find((command) => command.name() === 'show')
    show?.action((id: string) => void ids.push(id))
    await program.parseAsync(['inbox', 'show', '--json', '--', '-e5PICdUp44'], { from: 'user' })
    expect(ids).toEqual(['-e5PICdUp44'])
  })

  it('is not mentioned for a misspelled option', async () => {
    expect((await parse('inbox', 'show', '--jsn', 'id')).output).not.toContain('goes after --')
  })
})

/** Options that check their value: those with choices, and those with a parser that can refuse. */
const checkedOptions = commandsOf(createProgram()).flatMap(([name, command]) =>
  command.options
    .filter(({ parseArg, argChoices }) => argChoices !== undefined || (parseArg !== undefined && parseArg !== collect))
    .map(({ long }) => [name, long ?? ''] as const),
)

describe('a value that an option cannot have', () => {
  it('is tried for every option that checks its value', () => {
    expect(checkedOptions.length).toBeGreaterThan(30)
  })

  it.each(checkedOptions)('of %s %s is refused, and the message names the option', async (name, option) => {
    for (const value of ['', 'no such value', '-1', 'NaN']) {
      const { output, exitCode } = await parse(...name.split(' '), `${option}=${value}`)
      expect(output).toContain(option)
      expect(output).toContain('is invalid')
      expect(exitCode).not.toBe(0)
    }
  })
})

it('prints its version', async () => {
  expect((await parse('--version')).output).toMatch(/^\d+\.\d+\.\d+\n$/)
})
