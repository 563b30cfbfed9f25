import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memoryDuplicates } from '@scrapenest-webhooks/core'
import { type Budget, type Family, Tally } from './family.ts'

const idCount: Readonly<Record<Budget, number>> = { short: 200_000, full: 10_000_000 }
const maxEvents = 20_000
/** The memory limit for `maxEvents` remembered events. The run prints the actual use. */
const maxBytes = 8 * 1024 * 1024
const expiresInMs = 1000

/** Sends millions of distinct event ids through the memory store, which must stay within its limits whatever their outcome. */
export const run: Family = async ({ budget, seed }) => {
  const tally = new Tally('memory')
  const collect = garbageCollector()
  let nowMs = 0
  const store = memoryDuplicates({ maxEvents, now: () => nowMs })
  const count = idCount[budget]
  await warmUp(() => (nowMs += 1))
  const before = heapBytes(collect)
  let peak = 0
  for (let index = 0; index < count; index += 1) {
    const key = `scrapenest/${seed}-${index}-aaaaaaaa-bbbb-cccc-dddd`
    nowMs += 1
    const claim = await store.claim(key, { expiresInMs })
    if (claim.state !== 'claimed') {
      tally.fail(`event ${index} is new, but its claim is ${claim.state}`)
      continue
    }
    // One in ten is never settled, as with a handler that hangs. Its lease must expire.
    if (index % 10 === 3) await store.release(key, claim.token)
    else if (index % 10 !== 7) await store.complete(key, claim.token)
    if (index % Math.floor(count / 10) === 0) peak = Math.max(peak, heapBytes(collect) - before)
  }
  tally.count(count)
  const grown = Math.max(peak, heapBytes(collect) - before)
  tally.check(grown <= maxBytes, () => `the heap grew by ${grown} bytes, at most ${maxBytes} are allowed`)
  for (let index = count - 1; index > count - maxEvents / 2; index -= 1) {
    if (index % 10 === 3 || index % 10 === 7) continue
    const { state } = await store.claim(`scrapenest/${seed}-${index}-aaaaaaaa-bbbb-cccc-dddd`, { expiresInMs })
    tally.check(state === 'done', () => `event ${index} is in the newer half, but is ${state}`)
  }
  tally.remark(
    `${count} ids, at most ${maxEvents} remembered; the heap grew by at most ${(grown / 1024 / 1024).toFixed(1)} MiB`,
  )
  return tally.result
}

/** Compiles the code and fills its caches before measuring. */
async function warmUp(now: () => number): Promise<void> {
  const store = memoryDuplicates({ maxEvents, now })
  for (let index = 0; index < 1000; index += 1) await store.claim(String(index), { expiresInMs })
}

function heapBytes(collect: () => void): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Returns the garbage collector, even if Node was started without `--expose-gc`. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}
