// First what each host answers to every kind of delivery, then ScrapeNest's whole guide against a ScrapeNest on this
// machine. Exits 0 only if every line is as expected.
import { styleText } from 'node:util'
import { showAttacks } from './attacks.ts'
import { showGuide } from './guide.ts'

const startedAtMs = performance.now()
const failures = (await showAttacks()) + (await showGuide())
const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
const verdict =
  failures === 0
    ? styleText('green', `Every line is as expected (${seconds} s).`)
    : styleText('red', `${failures} lines are not as expected.`)
process.stdout.write(`\n${verdict}\n`)
process.exitCode = failures === 0 ? 0 : 1
