// Sends every kind of delivery to each host, then follows ScrapeNest's whole guide against a local simulator. Exits with 0
// only if every result is as expected.
import { styleText } from 'node:util'
import { showAttacks } from './attacks.ts'
import { showGuide } from './guide.ts'

const startedAtMs = performance.now()
const failures = (await showAttacks()) + (await showGuide())
const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
const verdict =
  failures === 0
    ? styleText('green', `Everything worked as expected (${seconds} s).`)
    : styleText('red', `${failures === 1 ? '1 result was' : `${failures} results were`} unexpected.`)
process.stdout.write(`\n${verdict}\n`)
process.exitCode = failures === 0 ? 0 : 1
