// `npx -y pnpm@12 bench [--full] [--json FILE] [--only SECTION]`: ours and the peers, interleaved in one run.
// Exits 1 when a promised ratio is missed.
import { writeFile } from 'node:fs/promises'
import { parseArgs, styleText } from 'node:util'
import { growthSection } from './growth.ts'
import { httpSection } from './http.ts'
import { inboxSection } from './inbox.ts'
import { memorySection } from './memory.ts'
import { isMet, type Mode, machineLine, printReport, type Section, type SectionReport, write } from './report.ts'
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
  options: { full: { type: 'boolean' }, json: { type: 'string' }, only: { type: 'string', multiple: true } },
})
const mode: Mode = values.full === true ? 'full' : 'short'

write(`${machineLine()}, ${mode} run of ${new Date().toISOString()}`)
const reports: Record<string, SectionReport> = {}
for (const section of sections) {
  if (values.only !== undefined && !values.only.includes(section.name)) continue
  write(`\n${styleText('underline', section.name)}`)
  const report = await section.run(mode)
  reports[section.name] = report
  printReport(report)
}
if (values.json !== undefined) {
  await writeFile(
    values.json,
    `${JSON.stringify({ machine: machineLine(), mode, at: new Date().toISOString(), reports }, null, 2)}\n`,
  )
}
const missed = Object.values(reports).flatMap(({ targets }) => targets.filter((target) => !isMet(target)))
write(missed.length === 0 ? '\nEvery promised ratio holds.' : `\n${missed.length} promised ratios are missed.`)
process.exitCode = missed.length === 0 ? 0 : 1
