import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { sqliteInbox } from '@scrapenest-webhooks/inbox'
import { disturbances, isRefusal } from './disturbances.ts'

export interface DisturbCounts {
  /** Kind of disturbance → rounds. */
  readonly rounds: Record<string, number>
  /** Rounds that SQLite refused because the inbox holds the file exclusively. */
  refused: number
  acknowledged: number
  lost: number
}

/**
 * Disturbs an inbox under load, in a different way each round: opens, inspects, backs up and closes its file from inside and
 * outside its process, deletes its log, kills it. Counts the acknowledged events that are lost.
 */
export async function disturb(rounds: number): Promise<DisturbCounts> {
  const directory = mkdtempSync(join(tmpdir(), 'scrapenest-disturb-'))
  const file = join(directory, 'webhooks.db')
  const ledger = join(directory, 'ledger')
  let inbox = await startInbox(file, ledger)
  const counts: DisturbCounts = { rounds: {}, refused: 0, acknowledged: 0, lost: 0 }
  const actions: Record<string, () => Promise<'done' | 'refused'>> = {
    ...Object.fromEntries(
      Object.keys(disturbances).flatMap((name) => [
        [`${name} inside`, () => ask(inbox, name)],
        [`${name} outside`, () => disturbOutside(name, file)],
      ]),
    ),
    // Gives the inbox time to notice, because events that are only in a deleted log are lost with the process.
    'delete -wal': () => deleteLogs(file, ['-wal']).then(() => ask(inbox, 'settle')),
    'delete -wal and -shm': () => deleteLogs(file, ['-wal', '-shm']).then(() => ask(inbox, 'settle')),
    async kill() {
      await kill(inbox)
      inbox = await startInbox(file, ledger)
      return 'done'
    },
  }
  try {
    const names = Object.keys(actions)
    for (let round = 0; round < rounds; round += 1) {
      const name = names[round % names.length] as string
      await sleep(Math.random() * 20)
      if ((await actions[name]?.()) === 'refused') counts.refused += 1
      counts.rounds[name] = (counts.rounds[name] ?? 0) + 1
    }
    await kill(inbox)
    await countLost(counts, { file, ledger })
    return counts
  } finally {
    inbox.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  }
}

async function startInbox(file: string, ledger: string): Promise<ChildProcess> {
  const inbox = fork(join(import.meta.dirname, 'disturbed-inbox.ts'), [file, ledger], {
    execArgv: ['--conditions=@scrapenest-webhooks/source', '--disable-warning=ExperimentalWarning'],
  })
  assert.equal(await answerOf(inbox), 'started')
  return inbox
}

async function ask(inbox: ChildProcess, name: string): Promise<'done' | 'refused'> {
  inbox.send(name)
  return (await answerOf(inbox)) as 'done' | 'refused'
}

async function answerOf(inbox: ChildProcess): Promise<unknown> {
  const answered = new AbortController()
  const { signal } = answered
  const exited = once(inbox, 'exit', { signal }).then(([code]) => {
    throw new Error(`The inbox ended with ${code}.`)
  })
  try {
    const [answer] = (await Promise.race([once(inbox, 'message', { signal }), exited])) as [unknown]
    return answer
  } finally {
    exited.catch(() => {})
    answered.abort()
  }
}

async function disturbOutside(name: string, file: string): Promise<'done' | 'refused'> {
  try {
    await disturbances[name]?.(file)
    return 'done'
  } catch (error) {
    if (!isRefusal(error)) throw error
    return 'refused'
  }
}

async function deleteLogs(file: string, suffixes: readonly string[]): Promise<void> {
  for (const suffix of suffixes) rmSync(file + suffix, { force: true })
}

async function kill(inbox: ChildProcess): Promise<void> {
  const exited = once(inbox, 'exit')
  inbox.kill('SIGKILL')
  await exited
}

async function countLost(
  counts: DisturbCounts,
  { file, ledger }: { readonly file: string; readonly ledger: string },
): Promise<void> {
  const db = new DatabaseSync(file)
  assert.deepEqual({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
  db.close()
  const inbox = sqliteInbox({ file })
  for (const eventId of readFileSync(ledger, 'utf8').split('\n').slice(0, -1)) {
    counts.acknowledged += 1
    if ((await inbox.get(eventId)) === undefined) counts.lost += 1
  }
  await inbox.close()
}
