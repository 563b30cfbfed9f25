import { describe, expect, it } from 'vitest'
import { GroupCommit } from '../../src/sqlite/group-commit.ts'

/** A store that keeps writes only if the whole transaction succeeds. */
class Journal {
  readonly transactions: string[][] = []
  isLocked = false
  attempts = 0
  /** Changes when another process writes. */
  version = 0
  failure: Error | undefined

  transact(work: (write: (line: string) => void) => void): void {
    this.attempts += 1
    if (this.isLocked) throw new Error('locked')
    const lines: string[] = []
    work((line) => lines.push(line))
    if (this.failure !== undefined) throw this.failure
    this.transactions.push(lines)
  }
}

function createGroupCommit(lockTimeoutMs: number = 1000): {
  readonly journal: Journal
  readonly commit: GroupCommit<(line: string) => void>
} {
  const journal = new Journal()
  const isLocked = (error: unknown): boolean => (error as Error).message === 'locked'
  const isStoreFault = (error: unknown): boolean => isLocked(error) || error === journal.failure
  const transact: Journal['transact'] = (work) => journal.transact(work)
  return {
    journal,
    commit: new GroupCommit({ transact, isLocked, isStoreFault, versionOf: () => journal.version, lockTimeoutMs }),
  }
}

describe('GroupCommit', () => {
  // Retried, because a busy machine may use up the time of a whole transaction.
  it('commits all operations of one turn together, in their order', { retry: 4 }, async () => {
    const { journal, commit } = createGroupCommit()
    const results = await Promise.all(
      ['a', 'b', 'c'].map((line) =>
        commit.run((write) => {
          write(line)
          return line.toUpperCase()
        }),
      ),
    )
    expect(results).toEqual(['A', 'B', 'C'])
    await commit.run((write) => write('d'))
    expect(journal.transactions).toEqual([['a', 'b', 'c'], ['d']])
  })

  it('waits for operations that are added one turn later', { retry: 4 }, async () => {
    const { journal, commit } = createGroupCommit()
    const first = commit.run((write) => write('a'))
    await new Promise(setImmediate)
    await Promise.all([first, commit.run((write) => write('b'))])
    expect(journal.transactions).toEqual([['a', 'b']])
  })

  it('does not wait indefinitely while each turn adds operations', async () => {
    const { journal, commit } = createGroupCommit()
    let isDone = false
    const first = commit
      .run((write) => write('a'))
      .then(() => {
        isDone = true
      })
    const others: Promise<void>[] = []
    // Bounded, so that this test fails instead of hanging.
    for (let turn = 0; turn < 1_000_000 && !isDone; turn += 1) {
      others.push(commit.run((write) => write('b')))
      await new Promise(setImmediate)
    }
    expect(isDone).toBe(true)
    await Promise.all([first, ...others])
    expect(journal.transactions.flat()).toHaveLength(1 + others.length)
  })

  it('rejects exactly the operations of the transaction that failed', async () => {
    const { journal, commit } = createGroupCommit()
    journal.failure = new Error('full')
    const held = ['a', 'b'].map((line) => commit.run((write) => write(line)))
    const results = await Promise.allSettled(held)
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    journal.failure = undefined
    await commit.run((write) => write('c'))
    expect(journal.transactions).toEqual([['c']])
  })

  it('rejects only the operation that throws, and commits the others', async () => {
    const { journal, commit } = createGroupCommit()
    const results = await Promise.allSettled([
      commit.run((write) => write('a')),
      commit.run(() => {
        throw new Error('refused')
      }),
      commit.run((write) => write('c')),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(journal.transactions).toEqual([['a', 'c']])
  })

  it('commits a burst in several transactions to keep the event loop free', async () => {
    const { journal, commit } = createGroupCommit()
    let turns = 0
    const turn = (): void => {
      turns += 1
      if (turns < 100) setImmediate(turn)
    }
    setImmediate(turn)
    await Promise.all(Array.from({ length: 12 }, () => commit.run(() => spin(3))))
    expect(journal.transactions.length).toBeGreaterThanOrEqual(3)
    expect(turns).toBeGreaterThanOrEqual(3)
  })

  it('retries while another process holds the lock', async () => {
    const { journal, commit } = createGroupCommit()
    journal.isLocked = true
    const waiting = commit.run((write) => write('a'))
    setTimeout(() => {
      journal.isLocked = false
    }, 60)
    await waiting
    expect(journal.transactions).toEqual([['a']])
    expect(journal.attempts).toBeGreaterThan(1)
  })

  it('gives up operations that have waited too long for the lock, and keeps newer ones', async () => {
    const { journal, commit } = createGroupCommit(400)
    journal.isLocked = true
    const old = commit.run((write) => write('old'))
    old.catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 300))
    const young = commit.run((write) => write('young'))
    await expect(old).rejects.toThrow('locked')
    journal.isLocked = false
    await young
    expect(journal.transactions).toEqual([['young']])
  })

  describe('after a transaction of 20 ms', () => {
    /**
     * Whether a timer of 5 ms fires before the next transaction begins, in which case another process could take the lock.
     */
    async function leavesGap(
      { commit }: ReturnType<typeof createGroupCommit>,
      write: () => void = () => {},
    ): Promise<boolean> {
      await commit.run(() => {})
      write()
      let hasRung = false
      await commit.run(() => spin(20))
      setTimeout(() => {
        hasRung = true
      }, 5)
      return await commit.run(() => hasRung)
    }

    it('leaves a gap if another process has written', async () => {
      const groupCommit = createGroupCommit()
      const write = (): void => {
        groupCommit.journal.version += 1
      }
      expect(await leavesGap(groupCommit, write)).toBe(true)
    })

    it('leaves a gap if another process held the lock', async () => {
      const groupCommit = createGroupCommit()
      groupCommit.journal.isLocked = true
      setTimeout(() => {
        groupCommit.journal.isLocked = false
      }, 20)
      expect(await leavesGap(groupCommit)).toBe(true)
    })

    // Retried, because a busy machine may pause for as long as the timer between any two statements.
    it('continues immediately if this process is alone', { retry: 4 }, async () => {
      expect(await leavesGap(createGroupCommit())).toBe(false)
    })
  })
})

function spin(durationMs: number): void {
  const untilMs = performance.now() + durationMs
  while (performance.now() < untilMs);
}
