// Vitest's configuration with the pg-boss in PG_BOSS_FOLDER: see pg-boss-versions.ts.
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { workspace } from '../../vitest.config.ts'

const folder = process.env['PG_BOSS_FOLDER']
if (folder === undefined) throw new Error('Expected PG_BOSS_FOLDER: run test/engines/pg-boss-versions.ts.')

export default defineConfig({
  ...workspace,
  resolve: { ...workspace.resolve, alias: { 'pg-boss': join(folder, 'dist/index.js') } },
})
