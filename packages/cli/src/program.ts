import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addDoctor } from './commands/doctor.ts'
import { addEndpoints } from './commands/endpoints.ts'
import { addInbox } from './commands/inbox.ts'
import { addSimulate } from './commands/simulate.ts'
import { addTrigger } from './commands/trigger.ts'
import { addVerify } from './commands/verify.ts'

// Only what every command needs is imported at the start: a command loads its own packages when it runs, so that
// --help and verify are there at once.
const examples = `
Examples:
  $ scrapenest-webhooks simulate --endpoint http://localhost:3000/webhooks/scrapenest
  $ scrapenest-webhooks trigger job.completed --override data.status=failed
  $ scrapenest-webhooks doctor https://example.com/webhooks/scrapenest
  $ scrapenest-webhooks verify --headers headers.txt --body body.bin

Environment:
  SCRAPENEST_WEBHOOK_SECRET   the endpoint's signing secret (whsec_…)
  SCRAPENEST_API_KEY          the key for endpoints (sn_live_…)
  NO_COLOR                    no colours on a terminal either

Exit codes:
  0  done, and what was looked at is in order
  1  done, and what was looked at is not in order
  2  called wrongly
  3  something it needs is out of reach or refused`

export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const program = new Command('scrapenest-webhooks')
    .description(
      'Develop and operate webhooks of ScrapeNest: a simulator, signed test events, and a doctor for your server.',
    )
    .version(version)
    .addHelpText('after', examples)
    .showHelpAfterError('(--help says more)')
    .exitOverride()
  for (const add of [addSimulate, addTrigger, addVerify, addDoctor, addEndpoints, addInbox]) add(program)
  // Sub-commands made by hand do not inherit it.
  for (const command of allCommands(program)) command.exitOverride()
  return program
}

function allCommands(command: Command): readonly Command[] {
  return command.commands.flatMap((child) => [child, ...allCommands(child)])
}
