#!/usr/bin/env node
import { createProgram } from './program.ts'
import { tolerateLostOutput } from './terminal/closed-pipe.ts'
import { reportFailure } from './terminal/report-failure.ts'

tolerateLostOutput()
try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error)
}
