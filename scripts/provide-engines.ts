// Installs what the tests of the shared inboxes need, unless already installed: redis-server, PostgreSQL, and a browser for the
// screenshot of bull-board. Uses apt on Debian and its derivatives. Elsewhere, prints what to install.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { findProgram } from '../test/engines/installed-engines.ts'

/** Debian package → the programs it provides. One of them is enough. */
const programs: Readonly<Record<string, readonly string[]>> = {
  'redis-server': ['redis-server'],
  postgresql: ['initdb'],
  chromium: ['chromium', 'google-chrome'],
}

const elsewhere: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin:
    'Install them with Homebrew: `brew install redis postgresql@17 && brew install --cask chromium`, and put the folder of ' +
    'initdb (`brew --prefix postgresql@17` names its parent) on the PATH.',
  win32:
    'Redis has no Windows build: run the tests in WSL, or set REDIS_URL to a server that the tests may fill. PostgreSQL is ' +
    'at https://www.postgresql.org/download/windows/: put its bin folder on the PATH, or set DATABASE_URL.',
}

const missing = Object.keys(programs).filter((name) => !programs[name]?.some((program) => findProgram(program)))
if (missing.length === 0) {
  console.log('redis-server, PostgreSQL and a browser are installed.')
} else if (findProgram('apt-get') !== undefined) {
  installFromDebian(missing)
  console.log(`Installed: ${missing.join(', ')}.`)
} else {
  const advice = elsewhere[process.platform] ?? 'Install them with the package manager of this system.'
  console.error(`Missing: ${missing.join(', ')}. ${advice}`)
  process.exitCode = 1
}

function installFromDebian(names: readonly string[]): void {
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...names]
  const startsNothing = forbidStarting()
  try {
    try {
      asRoot(install)
    } catch {
      asRoot(['apt-get', 'update'])
      asRoot(install)
    }
  } finally {
    startsNothing.undo()
  }
}

/** Keeps the packages from starting servers: the tests start their own. */
function forbidStarting(): { readonly undo: () => void } {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return { undo() {} }
  asRoot(['tee', policy], '#!/bin/sh\nexit 101\n')
  asRoot(['chmod', '+x', policy])
  return { undo: () => asRoot(['rm', '-f', policy]) }
}

function asRoot(command: readonly string[], input?: string): void {
  const isRoot = process.getuid?.() === 0
  const [program = '', ...parameters] = isRoot ? command : ['sudo', 'DEBIAN_FRONTEND=noninteractive', ...command]
  execFileSync(program, parameters, {
    input,
    stdio: [input === undefined ? 'inherit' : 'pipe', input === undefined ? 'inherit' : 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}
