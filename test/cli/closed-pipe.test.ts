import { spawn } from 'node:child_process'
import { expect, it } from 'vitest'
import { environment, startReceiver } from './local-server.ts'
import { main } from './run-cli.ts'

/** Pipes a command into a reader. @returns the reader's output, and the command's exit code and stderr. */
function pipeTo(
  reader: string,
  parameters: readonly string[],
  redirection = '',
): Promise<{ output: string; stderr: string; exitCode: string | undefined }> {
  const script = `{ "$0" "$@" ${redirection}; echo "exit $?" >&2; } | ${reader}`
  const child = spawn('sh', ['-c', script, process.execPath, main, ...parameters], {
    env: { ...process.env, ...environment },
  })
  let output = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  return new Promise((resolve) => {
    child.once('close', () => {
      const [, exitCode] = /exit (\d+)\n$/.exec(stderr) ?? []
      resolve({ output, stderr: stderr.replace(/exit \d+\n$/, ''), exitCode })
    })
  })
}

it.each([[['--help']], [['inbox', '--help']], [['simulate', '--port', '0']], [['simulate', '--port', '0', '--json']]])(
  '%j exits quietly when its reader is gone',
  async (parameters) => {
    const { output, stderr, exitCode } = await pipeTo('head -n 1', parameters)
    expect(output.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).toBe('')
    expect(exitCode).toBe('0')
  },
)

it('a command whose reader never reads still finishes and reports its result in the exit code', async () => {
  const { url, events } = await startReceiver()
  expect(await pipeTo('exec true', ['trigger', 'job.created', '--to', url, '--duplicate', '--slow'])).toMatchObject({
    stderr: '',
    exitCode: '0',
  })
  expect(events).toHaveLength(1)
  const unreachable = ['trigger', 'job.created', '--to', 'http://127.0.0.1:9/', '--duplicate']
  expect(await pipeTo('exec true', unreachable)).toMatchObject({ stderr: '', exitCode: '1' })
})

it('simulate --json detects a closed pipe by writing spaces, which keep the lines valid JSON', async () => {
  const { output, exitCode } = await pipeTo('{ head -n 1; head -c 2; }', ['simulate', '--port', '0', '--json'])
  const [start = '', filler] = output.split('\n')
  expect(JSON.parse(start)).toHaveProperty('apiKey')
  expect(filler).toBe('  ')
  expect(exitCode).toBe('0')
})

it.runIf(process.platform === 'linux')(
  'a command whose output does not fit on the disk still does its work, and fails',
  async () => {
    const { url, events } = await startReceiver()
    for (const parameters of [['--help'], ['trigger', 'job.created', '--to', url, '--json', '--duplicate']]) {
      const { stderr, exitCode } = await pipeTo('cat', parameters, '>/dev/full')
      expect(stderr).toBe('error: The output could not be written (ENOSPC).\n')
      expect(exitCode).toBe('3')
    }
    expect(events).toHaveLength(1)
  },
)

it.runIf(process.platform === 'linux')(
  'a command whose errors cannot be written exits with the same code',
  async () => {
    const script = '"$0" "$@" 2>/dev/full; echo "exit $?"'
    const child = spawn('sh', ['-c', script, process.execPath, main, 'trigger', 'job.created'])
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    await new Promise((resolve) => child.once('close', resolve))
    expect(output).toBe('exit 2\n')
  },
)
