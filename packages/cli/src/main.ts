#!/usr/bin/env node
import { createProgram } from './program.ts'
import { tolerateClosedPipes } from './terminal/closed-pipe.ts'
import { reportFailure } from './terminal/report-failure.ts'

tolerateClosedPipes()
try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error)
}
