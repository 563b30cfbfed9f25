import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { temporaryFile } from '../temporary-file.ts'
import { takeTurns } from './slow-disk.ts'

// Retried, because a busy machine may delay one of the two processes.
it('lets two processes on a slow disk take turns, each within a few commits of the other', { retry: 4 }, async () => {
  const file = temporaryFile()
  const { turn, close } = takeTurns(file, 'us')
  onTestFinished(close)
  await turn()
  const neighbor = fork(join(import.meta.dirname, 'slow-neighbor.ts'), [file, 'neighbor'])
  onTestFinished(() => void neighbor.kill('SIGKILL'))
  await once(neighbor, 'message')
  for (let count = 0; count < 30; count += 1) await turn()

  const turns = namesOfTurns(file).slice(1)
  expect(turns.filter((name) => name === 'neighbor').length).toBeGreaterThan(10)
  // Until they notice each other, one of them gets more turns.
  expect(longestRun(turns.slice(turns.indexOf('neighbor')))).toBeLessThan(6)
})

function namesOfTurns(file: string): readonly string[] {
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    return db
      .prepare('SELECT name FROM turns ORDER BY id')
      .all()
      .map(({ name }) => String(name))
  } finally {
    db.close()
  }
}

function longestRun(names: readonly string[]): number {
  let longest = 0
  let length = 0
  for (const [index, name] of names.entries()) {
    length = name === names[index - 1] ? length + 1 : 1
    longest = Math.max(longest, length)
  }
  return longest
}
