// What each device costs or saves: the server's CPU time per delivery with the device, as a fraction of the plain
// version's. `node --conditions=@scrapenest-webhooks/source bench/devices.ts [--full | --check] [--only TEXT]`
//
// A device is a patch of today's sources (`bench/devices`). The sources and the patched copy run in separate servers and
// take turns. `--full` runs five rounds, each with new processes, because a process keeps early decisions of the compiler.
// `--check` only reports whether each patch applies and whether its server accepts deliveries.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs, styleText } from 'node:util'
import { sign } from '@scrapenest-webhooks/core'
import { benchSecret, type ChildServer, startChild } from './child-server.ts'
import type { Device } from './devices/device.ts'
import { stayed } from './devices/stayed.ts'
import { createVariant } from './devices/variant.ts'
import { went } from './devices/went.ts'
import { eventOfSize } from './events.ts'
import { loadWithEvents, measureDeliveries } from './http.ts'
import { machineLine, readable, write } from './report.ts'
import { medianOf } from './rounds.ts'

interface Effort {
  /** How often new processes are started. */
  readonly processes: number
  /** Rounds per process. */
  readonly rounds: number
  /** Turns of each side per round. */
  readonly turns: number
  /** Deliveries per turn; for `verify`, a tenth of the calls. */
  readonly deliveries: number
  readonly warmUp: number
}

/** The full run takes up to nine minutes on two quiet cores. */
const efforts: Record<'full' | 'short' | 'check', (bytes: number) => Effort> = {
  full: (bytes) =>
    bytes > 10_000
      ? { processes: 5, rounds: 1, turns: 2, deliveries: 1250, warmUp: 2000 }
      : { processes: 5, rounds: 1, turns: 2, deliveries: 2500, warmUp: 5000 },
  short: () => ({ processes: 1, rounds: 3, turns: 1, deliveries: 400, warmUp: 1200 }),
  check: () => ({ processes: 1, rounds: 1, turns: 1, deliveries: 64, warmUp: 64 }),
}

/** CPU time per delivery of each side in one round, in microseconds. */
interface Round {
  readonly withDevice: number
  readonly plain: number
}

type Verdict = 'stayed' | 'went'

/** One side of a comparison. A turn returns the CPU time per delivery, in microseconds. */
interface Side {
  turn(): Promise<number>
}

const { values } = parseArgs({
  options: { full: { type: 'boolean' }, check: { type: 'boolean' }, only: { type: 'string', default: '' } },
})
const mode = values.full === true ? 'full' : values.check === true ? 'check' : 'short'
const folder = mkdtempSync(join(tmpdir(), 'scrapenest-devices-'))
const current = join(folder, 'current')
try {
  createVariant(current, { edits: [] })
  write(`${machineLine()}, ${mode} run of ${new Date().toISOString()}`)
  await measureAll('stayed', stayed)
  await measureAll('went', went)
} finally {
  rmSync(folder, { recursive: true })
}

async function measureAll(verdict: Verdict, devices: readonly Device[]): Promise<void> {
  write(
    `\n${styleText('underline', `Devices that ${verdict}`)}: CPU time with the device / without it, median and min – max of the rounds`,
  )
  for (const [index, device] of devices.entries()) {
    if (!device.name.includes(values.only)) continue
    try {
      await measureDevice(device, verdict, join(folder, `${verdict}-${index}`))
    } catch (error) {
      // Continues with the others.
      write(`  ✗ ${device.name}: ${(error as Error).message}`)
      process.exitCode = 1
    }
  }
}

async function measureDevice(device: Device, verdict: Verdict, patched: string): Promise<void> {
  createVariant(patched, device.patch)
  const measure = device.measuredIn === 'verify' ? measureVerify : measureHttp
  // Only the first size in a short run, as in the section `http` of the bench.
  for (const bytes of mode === 'short' ? device.sizes.slice(0, 1) : device.sizes) {
    const rounds = (await measure({ patched, bytes, key: device.senderKey })).map(
      ({ current, patched }): Round =>
        verdict === 'stayed' ? { withDevice: current, plain: patched } : { withDevice: patched, plain: current },
    )
    write(mode === 'check' ? `  ✓ ${bytes} B  ${device.name}` : lineOf(device, { verdict, bytes, rounds }))
  }
}

function lineOf(
  { name, measuredIn = 'http', isGuarantee = false }: Device,
  { verdict, bytes, rounds }: { readonly verdict: Verdict; readonly bytes: number; readonly rounds: readonly Round[] },
): string {
  const ratios = rounds.map(({ withDevice, plain }) => withDevice / plain)
  const ratio = medianOf(ratios)
  const spread = `${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)}`
  const withDevice = readable(medianOf(rounds.map((round) => round.withDevice)))
  const plain = readable(medianOf(rounds.map((round) => round.plain)))
  const unit = measuredIn === 'verify' ? 'µs per verify()' : 'µs'
  // docs/decisions/0009: a device stays only if it saves at least 5 % of a delivery's CPU time.
  const isExpected = isGuarantee || ratio <= 0.95 === (verdict === 'stayed')
  const percent = `${Math.abs(100 - ratio * 100).toFixed(0)} %`
  const effect = `${ratio < 1 ? 'saves' : 'costs'} ${percent}${isExpected ? '' : ', against the 5 % rule'}`
  const columns = `${`${bytes} B`.padStart(7)}  ${name.padEnd(84)} ${ratio.toFixed(2)}`
  return `  ${columns}  ${styleText('dim', spread)}  ${withDevice} / ${plain} ${unit}, ${effect}`
}

interface Measurement {
  readonly patched: string
  readonly bytes: number
  /** Signs the deliveries. */
  readonly key: Buffer | undefined
}

/** CPU time per delivery of today's code and its patched copy in one round, in microseconds. */
interface Comparison {
  readonly current: number
  readonly patched: number
}

async function measureHttp({ patched, bytes, key }: Measurement): Promise<Comparison[]> {
  const effort = efforts[mode](bytes)
  const comparisons: Comparison[] = []
  for (let index = 0; index < effort.processes; index += 1) {
    const servers: ChildServer[] = []
    try {
      for (const variant of [current, patched]) servers.push(await startVariant(variant))
      for (const { port } of servers) await loadWithEvents(port, { bytes, key, amount: effort.warmUp })
      const options = { bytes, key, amount: effort.deliveries }
      const sides = servers.map(
        (server): Side => ({ turn: async () => (await measureDeliveries(server, options)).cpuPerDelivery }),
      )
      comparisons.push(...(await takeTurns(sides as [Side, Side], effort)))
    } finally {
      for (const { child } of servers) child.kill()
    }
  }
  return comparisons
}

function startVariant(variant: string): Promise<ChildServer> {
  return startChild(new URL('./devices/server.ts', import.meta.url), [variant])
}

/** Measures `verify` in this process, as in an application that calls it without a receiver. */
async function measureVerify({ patched, bytes }: Measurement): Promise<Comparison[]> {
  const { processes, rounds, deliveries, ...effort } = efforts[mode](bytes)
  const body = Buffer.from(eventOfSize(bytes))
  const headers = sign({ id: 'msg_device', timestamp: new Date(), body }, benchSecret)
  const calls = deliveries * 10
  const sides = await Promise.all(
    [current, patched].map(async (variant): Promise<Side> => {
      const { verify }: typeof import('@scrapenest-webhooks/core') = await import(
        pathToFileURL(join(variant, 'core/src/index.ts')).href
      )
      return {
        async turn() {
          const before = process.cpuUsage()
          for (let index = 0; index < calls; index += 1) verify({ headers, body }, benchSecret)
          const { user, system } = process.cpuUsage(before)
          return (user + system) / calls
        },
      }
    }),
  )
  for (const side of sides) await side.turn()
  return await takeTurns(sides as [Side, Side], { ...effort, rounds: processes * rounds })
}

/** Alternates as A B B A, so a machine that slows down or speeds up affects both sides. */
async function takeTurns(
  sides: readonly [current: Side, patched: Side],
  { rounds, turns }: Pick<Effort, 'rounds' | 'turns'>,
): Promise<Comparison[]> {
  const comparisons: Comparison[] = []
  for (let round = 0; round < rounds; round += 1) {
    const sums: [current: number, patched: number] = [0, 0]
    for (let turn = 0; turn < turns * 2; turn += 1) {
      const index = (turn + (turn >> 1) + round) % 2 === 0 ? 0 : 1
      sums[index] += await sides[index].turn()
    }
    comparisons.push({ current: sums[0] / turns, patched: sums[1] / turns })
  }
  return comparisons
}
