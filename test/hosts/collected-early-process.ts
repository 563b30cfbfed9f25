// Serves deliveries on one host, and reports the size of the old generation when asked: `collected-early-process.ts <host>`.
import { getHeapSpaceStatistics } from 'node:v8'
import { createReceiver } from '@scrapenest-webhooks/core'
import type { ConformanceServer } from '@scrapenest-webhooks/testing'
import { targets } from '../conformance/targets.ts'

const [name, secret] = process.argv.slice(2)
const receiver = createReceiver({ secret, onEvent: { '*': () => {} } })
const server = (await targets.find((target) => target.name === name)?.listen(receiver, 'bare')) as ConformanceServer

process.on('message', () => {
  // Empties the young generation: what is still referenced moves to the old one.
  for (let round = 0; round < 3; round += 1) globalThis.gc?.({ type: 'minor' })
  const oldSpace = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')
  process.send?.(oldSpace?.space_used_size)
})
process.on('disconnect', () => process.exit())
process.send?.(server.port)
