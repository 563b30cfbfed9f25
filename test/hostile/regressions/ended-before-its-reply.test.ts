import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)

it.each([
  ['body', 'body_timeout'],
  ['handler', 'handler_timeout'],
])(
  'a script that only awaits a reply does not exit before the reply when the %s never ends',
  async (hanging, result) => {
    // Rejects if the script's exit code is not 0. Node's code for an `await` that nothing can settle is 13.
    const { stdout, stderr } = await run(process.execPath, [join(import.meta.dirname, 'patient-script.ts'), hanging])
    expect(stdout.trim().split('\n')).toEqual([result, 'accepted', result])
    expect(stderr).toBe('')
  },
)
