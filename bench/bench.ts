// `pnpm bench [--full] [--json FILE] [--only SECTION]`: ours and the peers, interleaved in one run. Prints whether each
// bound is met, and the cost of a miss. A miss does not fail the run. `--rounds` and `--deliveries` override the amounts of
// the section `http`.
import { writeFile } from 'node:fs/promises'
import { parseArgs, styleText } from 'node:util'
import { growthSection } from './growth.ts'
import { httpSection } from './http.ts'
import { inboxSection } from './inbox.ts'
import { memorySection } from './memory.ts'
import {
  isMet,
  type Mode,
  machineLine,
  type Overrides,
  printReport,
  type Section,
  type SectionReport,
  targetLine,
  write,
} from './report.ts'
import { startupSection } from './startup.ts'
import { verifySection } from './verify.ts'

const sections: readonly Section[] = [
  verifySection,
  httpSection,
  inboxSection,
  memorySection,
  startupSection,
  growthSection,
]

const { values } = parseArgs({
  options: {
    full: { type: 'boolean' },
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    deliveries: { type: 'string' },
  },
})
const mode: Mode = values.full === true ? 'full' : 'short'
const overrides: Overrides = {
  rounds: values.rounds === undefined ? undefined : Number(values.rounds),
  deliveries: values.deliveries === undefined ? undefined : Number(values.deliveries),
}

write(`${machineLine()}, ${mode} run of ${new Date().toISOString()}`)
const reports: Record<string, SectionReport> = {}
for (const section of sections) {
  if (values.only !== undefined && !values.only.includes(section.name)) continue
  write(`\n${styleText('underline', section.name)}`)
  const report = await section.run(mode, overrides)
  reports[section.name] = report
  printReport(report)
}
if (values.json !== undefined) {
  await writeFile(
    values.json,
    `${JSON.stringify({ machine: machineLine(), mode, at: new Date().toISOString(), reports }, null, 2)}\n`,
  )
}
const targets = Object.values(reports).flatMap((report) => report.targets)
const missed = targets.filter((target) => !isMet(target))
write(`\n${targets.length - missed.length} of ${targets.length} bounds are met.`)
if (Object.keys(reports).length > 1) for (const target of missed) write(targetLine(target))
