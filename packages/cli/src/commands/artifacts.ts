import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { interruptible } from '../terminal/interrupt.ts'
import { green, printJson, printLine, showProgress } from '../terminal/print.ts'
import { UsageError } from '../usage-error.ts'
import { type ApiOptions, createClient, withApiOptions } from './api-options.ts'

export function addArtifacts(program: Command): void {
  const artifacts = program
    .command('artifacts')
    .description('Download artifacts from ScrapeNest, or from a simulator (--base-url http://127.0.0.1:4010)')
  withApiOptions(artifacts.command('download').description('Download an artifact to a file, completely or not at all'))
    .argument('<id>', 'the artifact_id, or a download_url')
    .requiredOption('--to <file>', 'the file to write')
    .option('--sha256 <hash>', 'the expected SHA-256; other content is refused')
    .option('--force', 'replace an existing file')
    .addHelpText(
      'after',
      `
Example:
  $ scrapenest-webhooks artifacts download a1b2c3 --to page.html`,
    )
    .action(download)
}

async function download(
  id: string,
  options: ApiOptions & { readonly to: string; readonly sha256?: string; readonly force?: boolean },
): Promise<void> {
  const { sha256, force = false } = options
  // The user typed this path, so any `..` is intentional. The client would confine a relative path.
  const to = resolve(options.to)
  if (!force && existsSync(to)) throw new UsageError(`${to} already exists. Add --force to replace it.`)
  const { artifacts } = await createClient(options)
  const file = await interruptible((signal) =>
    artifacts.download(id, {
      to,
      sha256,
      signal,
      onProgress: ({ receivedBytes, totalBytes }) => showProgress(receivedBytes, totalBytes, 'bytes'),
    }),
  )
    .catch((error: unknown) => {
      throw explainAddress(error)
    })
    .finally(() => showProgress(0, 0, ''))
  if (options.json) return printJson(file)
  printLine(green('✓'), ` ${file.path}`)
  printLine(`  bytes      ${file.byteLength}`)
  printLine(`  sha256     ${file.sha256}`)
}

/** The client names options that the command line does not have. */
function explainAddress(error: unknown): unknown {
  const { code } = error as { code?: unknown }
  if (code !== 'url_not_allowed' && code !== 'address_not_allowed') return error
  return new UsageError(
    'Downloads need https and a public address. For a simulator on this machine, pass the --base-url that it prints.',
  )
}
