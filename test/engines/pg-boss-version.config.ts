// The tests of the inbox on pg-boss, with the pg-boss in the folder PG_BOSS_FOLDER instead of the installed one.
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { workspace } from '../../vitest.config.ts'

const folder = process.env['PG_BOSS_FOLDER']
if (folder === undefined) throw new Error('Expected PG_BOSS_FOLDER: run test/engines/pg-boss-versions.ts.')

export default defineConfig({
  ...workspace,
  resolve: { ...workspace.resolve, alias: { 'pg-boss': join(folder, 'dist/index.js') } },
})
