import { run as differential } from './differential.ts'
import type { Budget, Family, FamilyResult } from './family.ts'
import { run as memory } from './memory.ts'
import { run as properties } from './properties.ts'
import { run as requests } from './requests.ts'
import { run as sockets } from './sockets.ts'

const families: Readonly<Record<string, Family>> = { properties, requests, differential, sockets, memory }

/** `run.ts [--budget short] [--seed 1] [family …]`: by default, every family with the full budget. */
const budget: Budget = process.argv.includes('short') ? 'short' : 'full'
const seedGiven = process.argv.indexOf('--seed')
const seed = seedGiven === -1 ? Date.now() % 2_147_483_647 : Number(process.argv[seedGiven + 1])
const chosen = Object.keys(families).filter((name) => process.argv.includes(name))
const results: (FamilyResult & { readonly seconds: number })[] = []

for (const name of chosen.length > 0 ? chosen : Object.keys(families)) {
  const startedAtMs = performance.now()
  const result = await (families[name] as Family)({ budget, seed })
  results.push({ ...result, seconds: Math.round((performance.now() - startedAtMs) / 1000) })
  const { family, cases, failures, remarks } = result
  console.log(`${family}: ${cases} cases, ${failures.length} failures`)
  for (const remark of remarks) console.log(`  ${remark}`)
  for (const failure of failures) console.log(`  ✗ ${failure}`)
}

console.log(`\nHostile inputs, budget ${budget}, seed ${seed} (rerun with --seed ${seed})\n`)
console.log(`${'family'.padEnd(16)}${'cases'.padStart(12)}${'failures'.padStart(10)}${'seconds'.padStart(10)}`)
for (const { family, cases, failures, seconds } of results) {
  console.log(
    `${family.padEnd(16)}${cases.toLocaleString('en').padStart(12)}${String(failures.length).padStart(10)}${String(seconds).padStart(10)}`,
  )
}
process.exitCode = results.some(({ failures }) => failures.length > 0) ? 1 : 0
