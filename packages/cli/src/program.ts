import { readFileSync } from 'node:fs'
import addCompletion from '@bomb.sh/tab/commander'
import { Command } from 'commander'
import { addArtifacts } from './commands/artifacts.ts'
import { addDoctor } from './commands/doctor.ts'
import { addEndpoints } from './commands/endpoints.ts'
import { addInbox } from './commands/inbox.ts'
import { addJobs } from './commands/jobs.ts'
import { addSimulate } from './commands/simulate.ts'
import { addTrigger } from './commands/trigger.ts'
import { addVerify } from './commands/verify.ts'
import { printErrorLine, printText } from './terminal/print.ts'

const help = `
Examples:
  $ scrapenest-webhooks simulate -e http://localhost:3000/webhooks/scrapenest
  $ scrapenest-webhooks trigger job.completed --override data.status=failed
  $ scrapenest-webhooks doctor https://example.com/webhooks/scrapenest
  $ scrapenest-webhooks verify --headers headers.txt --body body.bin

Environment:
  SCRAPENEST_WEBHOOK_SECRET   the endpoint's signing secret (whsec_…)
  SCRAPENEST_API_KEY          the API key (sn_live_…)
  NO_COLOR                    disables colors

Exit codes:
  0  success
  1  the command found a problem
  2  invalid arguments
  3  the command failed: something was unavailable or refused the request`

/** Creates the whole command line. Commands load their packages when they run, which keeps `--help` and `verify` fast. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const program = new Command('scrapenest-webhooks')
    .description(
      'Develop and operate ScrapeNest webhooks: simulate ScrapeNest, send signed test events, and check your server.',
    )
    .version(version)
    .addHelpText('after', help)
    .showHelpAfterError('(see --help)')
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(explainDash(text)),
      writeOut: (text) => printText(text.replace(/\n$/, '')),
      writeErr: (text) =>
        text
          .replace(/\n$/, '')
          .split('\n')
          .forEach((line) => void printErrorLine(line)),
    })
  const groups = [addSimulate, addTrigger, addVerify, addDoctor, addEndpoints, addJobs, addArtifacts, addInbox]
  for (const add of groups) add(program)
  // Added last, because it completes the commands that exist by then.
  addCompletion(program)
  return program
}

/** Ids come from senders and may start with a dash, which commander takes for an option. */
function explainDash(text: string): string {
  return /unknown option '-[^-]/.test(text)
    ? `${text}An argument that starts with - goes after --, at the end.\n`
    : text
}
