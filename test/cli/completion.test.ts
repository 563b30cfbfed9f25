import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { main, runCli } from './run-cli.ts'

/** The completions that bash offers after these words, using the script from `complete bash`. */
async function completeInBash(...words: string[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'scrapenest-completion-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const command = join(folder, 'scrapenest-webhooks')
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
  await chmod(command, 0o755)
  // Stands in for a function of the bash-completion package.
  const script = `
    _get_comp_words_by_ref() { words=("\${line[@]}"); cword=$((\${#words[@]} - 1)); cur=\${words[cword]}; prev=\${words[cword-1]}; }
    compopt() { :; }
    source <(scrapenest-webhooks complete bash)
    line=(scrapenest-webhooks "$@")
    __scrapenest_webhooks_complete
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const env = { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}` }
  return execFileSync('bash', ['-c', script, 'bash', ...words], { env, encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[0]?.trim() ?? '')
}

describe('completion in bash', () => {
  it.each<[string[], string[]]>([
    [['ver'], ['verify']],
    [['endpoints', 'r'], ['rotate']],
    [['inbox', 'list', '--st'], ['--state']],
    [
      ['inbox', 'list', '--state', 'd'],
      ['done', 'dead'],
    ],
    [
      ['jobs', 'create', 'https://shop.example/', '--type', 's'],
      ['standard', 'stealth'],
    ],
  ])('offers after %j: %j', async (words, offered) => {
    expect(await completeInBash(...words)).toEqual(offered)
  })
})

describe('complete', () => {
  it.each([
    ['bash', ['-n']],
    ['zsh', ['-n']],
    ['fish', ['--no-execute']],
  ])('prints a script that %s can read', async (shell, checkOnly) => {
    const { exitCode, stdout, stderr } = await runCli(['complete', shell])
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout).toContain('scrapenest-webhooks complete --')
    if (!hasShell(shell)) return console.log(`DID NOT RUN: the script for ${shell}, which is not installed`)
    execFileSync(shell, checkOnly, { input: stdout })
  })

  it.each([[['complete']], [['complete', 'tcsh']]])('%j exits with 2 and names the shells', async (parameters) => {
    const { exitCode, stdout, stderr } = await runCli(parameters)
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toMatch(/shell/)
  })
})

function hasShell(shell: string): boolean {
  try {
    execFileSync(shell, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
