import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type RunningServer, startServer } from './running-server.ts'

/** Runs the `start` script of `examples/<name>` in `workingDirectory`. */
export async function startExample(
  name: string,
  { workingDirectory, secret }: { readonly workingDirectory: string; readonly secret: string },
): Promise<RunningServer> {
  const folder = join(import.meta.dirname, '../../examples', name)
  const file = join(folder, await startedFile(folder))
  const server = await startServer((port) => ({
    program: process.execPath,
    arguments: [file],
    workingDirectory,
    environment: { ...process.env, PORT: String(port), SCRAPENEST_WEBHOOK_SECRET: secret },
  }))
  await server.printed(`Listening at ${server.url}`)
  return server
}

/** The file of the `start` script, which must be runnable as `node <file>`. */
async function startedFile(folder: string): Promise<string> {
  const { scripts } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const file = /^node (\S+)$/.exec(scripts.start)?.[1]
  if (file === undefined) throw new Error(`Expected the script "start" of ${folder} to be "node <file>".`)
  return file
}
