import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { hostileText, openBench } from './command-bench.ts'
import { listen } from './local-server.ts'
import { main, runCli, stopAfterStart } from './run-cli.ts'

const controls = /[\p{Cc}\p{Cf}]/u

/** The commands that `--help` lists; `help` and `complete` only print. */
async function listCommands(...group: string[]): Promise<readonly string[]> {
  const { stdout } = await runCli([...group, '--help'])
  const [, section] = stdout.split('\nCommands:\n')
  if (section === undefined) return [group.join(' ')]
  const [list = ''] = section.split('\n\n')
  const names = [...list.matchAll(/^ {2}(\w+)/gm)].map(([, name = '']) => name)
  const others = names.filter((name) => !['help', 'complete'].includes(name))
  return (await Promise.all(others.map((name) => listCommands(...group, name)))).flat()
}

const names = await listCommands()

async function run(name: string, parameters: readonly string[], env: Readonly<Record<string, string>>) {
  const all = [...name.split(' '), ...parameters]
  return name === 'simulate' ? await stopAfterStart(all, env) : await runCli(all, { env })
}

it('every command is covered here', async () => {
  expect(Object.keys((await openBench()).commands).sort()).toEqual([...names].sort())
})

describe.each(names)('%s', (name) => {
  it('prints only JSON with --json', async () => {
    const { commands, env } = await openBench()
    const { exitCode, stdout, stderr, json } = await run(name, [...(commands[name] ?? []), '--json'], env)
    expect(stderr).toBe('')
    expect(exitCode).toBe(name === 'doctor' ? 1 : 0)
    expect(stdout.trim()).not.toBe('')
    for (const value of json()) expect(value).toBeTypeOf('object')
  })

  it('rejects an unknown option before doing anything', async () => {
    const { commands, env } = await openBench()
    const { exitCode, stdout, stderr } = await runCli([...name.split(' '), ...(commands[name] ?? []), '--jsn'], { env })
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toContain("unknown option '--jsn'")
  })

  it('prints no colors without a terminal, and escapes hostile text of events and replies', async () => {
    const { commands, env } = await openBench({ text: hostileText, baseUrl: await hostileApi(200) })
    for (const json of [[], ['--json']]) {
      const { stdout, stderr } = await run(name, [...(commands[name] ?? []), ...json], env)
      expect(`${stdout}${stderr}`.replaceAll(/[\n\r]/g, '')).not.toMatch(controls)
    }
  })

  it('exits quietly when nothing reads its output', async () => {
    const { commands, env } = await openBench()
    const { stderr, exitCode } = await withClosedStdout([...name.split(' '), ...(commands[name] ?? [])], env)
    expect(stderr).toBe('')
    expect(exitCode).toBe(name === 'doctor' ? 1 : 0)
  })

  it.skipIf(!hasScript())('prints no colors on a terminal with NO_COLOR', async () => {
    const { commands, env } = await openBench()
    const parameters = [...name.split(' '), ...(commands[name] ?? [])]
    const output = await onTerminal(parameters, { ...env, NO_COLOR: '1' }, name === 'simulate')
    expect(output.split('\u001b').filter((code) => colorCode.test(code))).toEqual([])
  })
})

/** Commands that print the same when they run again. */
const readOnly = names.filter((name) => / (list|messages|attempts|get|stats|show)$|^verify$/.test(name))

describe.skipIf(!hasScript())('on a terminal of 80 columns', () => {
  it.each(names)('%s breaks no line but between words', async (name) => {
    const { commands, env } = await openBench({ text: longText })
    const output = await onTerminal([...name.split(' '), ...(commands[name] ?? [])], env, name === 'simulate')
    expect(output.trim()).not.toBe('')
    const tooWide = plainLines(output).filter((line) => line.length > 80)
    // The terminal wraps a word that is longer than a line, and JSON, in which a line break would change the content.
    expect(tooWide.filter((line) => line.trim().includes(' ') && !/^ *"/.test(line))).toEqual([])
  })

  it.each(readOnly)('%s prints every word that it prints into a pipe', async (name) => {
    const { commands, env } = await openBench({ text: longText })
    const parameters = [...name.split(' '), ...(commands[name] ?? [])]
    const { stdout } = await runCli(parameters, { env })
    expect(wordsOf(plainLines(await onTerminal(parameters, env)).join('\n'))).toEqual(wordsOf(stdout))
  })
})

it.each(readOnly)('%s prints into a pipe the same lines at any COLUMNS', async (name) => {
  const { commands, env } = await openBench({ text: longText })
  const parameters = [...name.split(' '), ...(commands[name] ?? [])]
  const { stdout } = await runCli(parameters, { env })
  expect((await runCli(parameters, { env: { ...env, COLUMNS: '20' } })).stdout).toBe(stdout)
})

const longText = ' and a text of many words that fits on no line'.repeat(3)

/** Without colors. Each state of a progress bar, which returns to the first column, is a line. */
function plainLines(output: string): readonly string[] {
  return output
    .replaceAll('\u001b[1G', '\n')
    .split(/[\r\n]+/)
    .map((line) => stripVTControlCharacters(line))
}

function wordsOf(text: string): readonly string[] {
  return text.split(/\s+/).filter(Boolean).sort()
}

/** The part after ESC of a color or style code. Other codes move the cursor of a progress bar. */
const colorCode = /^\[[\d;]*m/

describe('with an API whose errors contain hostile text', () => {
  it.each(names.filter((name) => /^(endpoints|jobs|artifacts) /.test(name)))('%s escapes it', async (name) => {
    const { commands, env } = await openBench({ baseUrl: await hostileApi(422) })
    const { exitCode, stdout, stderr } = await run(name, commands[name] ?? [], env)
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' })
    expect(stderr).toContain('\\u001b]0;owned')
    expect(stderr.replaceAll('\n', '')).not.toMatch(controls)
  })
})

it.skipIf(!hasScript())('colors appear on a terminal', async () => {
  const { commands, env } = await openBench()
  expect(await onTerminal(['inbox', 'stats', ...(commands['inbox stats'] ?? [])], env)).toContain(
    '\u001b[31m1\u001b[39m',
  )
})

it.skipIf(!hasScript())('a download shows its progress on a terminal', async () => {
  const { commands, env } = await openBench()
  const parameters = ['artifacts', 'download', ...(commands['artifacts download'] ?? [])]
  // A longer page than the example, which arrives in one piece and shows no intermediate progress.
  const bytes = Buffer.alloc(300_000, 'x')
  const url = await listen((_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 100_000))
    setTimeout(() => response.end(bytes.subarray(100_000)), 200)
  })
  const output = await onTerminal(['artifacts', 'download', url, ...parameters.slice(3)], env)
  expect(output).toMatch(/█+░+ \d+\/300000 bytes/)
  expect(output).toContain('✓')
})

describe('Ctrl+C while a server does not reply', () => {
  const waiting = names.filter((name) => /^(trigger|doctor|endpoints |jobs |artifacts )/.test(name))

  it.each(waiting)('ends %s with the signal, without a stack trace', async (name) => {
    const { commands, env } = await openBench()
    let child: ChildProcess | undefined
    const silent = await listen(() => child?.kill('SIGINT'))
    const usual = commands[name] ?? []
    const parameters = {
      trigger: [...usual, '--to', silent],
      doctor: [silent],
    }[name] ?? [...usual, '--base-url', silent]
    child = spawn(process.execPath, [main, ...name.split(' '), ...parameters], { env: { ...process.env, ...env } })
    let stderr = ''
    child.stderr?.on('data', (chunk) => {
      stderr += chunk
    })
    const signal = await new Promise((resolve) => child?.once('close', (_exitCode, signal) => resolve(signal)))
    expect(signal).toBe('SIGINT')
    expect(stderr).not.toMatch(/^ +at /m)
  })
})

it('Ctrl+C ends a download with the signal and leaves no file', async () => {
  const { commands, env } = await openBench()
  const url = await listen((_request, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('half')
  })
  const [, ...options] = commands['artifacts download'] ?? []
  const folder = dirname(options[options.indexOf('--to') + 1] ?? '')
  const files = await readdir(folder)
  const child = spawn(process.execPath, [main, 'artifacts', 'download', url, ...options], {
    env: { ...process.env, ...env },
  })
  await expect.poll(() => readdir(folder), { timeout: 10_000 }).toHaveLength(files.length + 1)
  child.kill('SIGINT')
  const signal = await new Promise((resolve) => child.once('close', (_exitCode, signal) => resolve(signal)))
  expect(signal).toBe('SIGINT')
  expect(await readdir(folder)).toEqual(files)
})

it('Ctrl+C stops the simulator with exit code 0', async () => {
  const child = spawn(process.execPath, [main, 'simulate', '--port', '0'])
  child.stdout.once('data', () => child.kill('SIGINT'))
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
})

/** An API that answers with hostile text everywhere. */
function hostileApi(status: number): Promise<string> {
  const fields = [
    'id',
    'endpoint_id',
    'job_id',
    'message_id',
    'artifact_id',
    'name',
    'url',
    'status',
    'secret',
    'target_url',
  ]
  const others = ['job_type', 'created_at', 'event_type', 'event_id', 'dispatched_at', 'response_body', 'artifact_type']
  const item = Object.fromEntries(
    [...fields, ...others, 'download_url', 'failure_reason'].map((name) => [name, hostileText]),
  )
  const page = { items: [item], artifacts: [item], tags: [hostileText], total: 9, done: false, iterator: hostileText }
  const error = { code: hostileText, message: hostileText, details: [] }
  return listen((request, response) => {
    request.resume().on('end', () => response.writeHead(status).end(JSON.stringify({ ...item, ...page, error })))
  })
}

/** Runs a command whose stdout is a pipe without a reader. */
function withClosedStdout(
  parameters: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ stderr: string; exitCode: number | null }> {
  const script = '{ "$0" "$@"; echo "exit $?" >&2; } | exec true'
  const child = spawn('sh', ['-c', script, process.execPath, main, ...parameters], { env: { ...process.env, ...env } })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  return new Promise((resolve) => {
    child.once('close', () => {
      const exitCode = Number(/exit (\d+)\n$/.exec(stderr)?.[1])
      resolve({ stderr: stderr.replace(/exit \d+\n$/, ''), exitCode })
    })
  })
}

/** Whether util-linux's `script` is installed, which runs a command on a terminal. */
function hasScript(): boolean {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux')
  } catch {
    return false
  }
}

/** @returns what the command prints on a terminal of 80 columns. */
function onTerminal(
  parameters: readonly string[],
  env: Readonly<Record<string, string>>,
  mustStop = false,
): Promise<string> {
  const quoted = [process.execPath, main, ...parameters].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const command = `stty cols 80; exec ${quoted}`
  // On CI, Node assumes a terminal without colors.
  const { CI: _ci, COLUMNS: _columns, FORCE_COLOR: _force, NO_COLOR: _none, ...clean } = process.env
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: { ...clean, TERM: 'xterm', ...env },
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  // Ctrl+C on the terminal.
  if (mustStop) child.stdout.once('data', () => child.stdin.write('\u0003'))
  return new Promise((resolve) => child.once('close', () => resolve(output)))
}
