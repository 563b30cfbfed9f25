// Vitest's configuration with the BullMQ in BULLMQ_FOLDER: see bullmq-versions.ts.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { mergeConfig } from 'vitest/config'
import { workspace } from '../../vitest.config.ts'

const folder = process.env['BULLMQ_FOLDER']
if (folder === undefined) throw new Error('BULLMQ_FOLDER is not set: run test/engines/bullmq-versions.ts.')
const bullmq = createRequire(join(folder, 'package.json')).resolve('bullmq')

export default mergeConfig(workspace, {
  root: join(import.meta.dirname, '../..'),
  resolve: { alias: [{ find: /^bullmq$/, replacement: bullmq }] },
})
