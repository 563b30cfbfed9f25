// Vitest's global setup: reports at the end of a run which tests did not run because an engine is missing.
import { type EngineName, hasEngine, hasProgram, mustHaveEngines, provideCommand } from './installed-engines.ts'

const suites: { readonly [engine in EngineName]: string } = {
  redis: 'the inbox on BullMQ (redis-server)',
  postgres: 'the inbox on pg-boss (PostgreSQL)',
}

const engines = Object.keys(suites) as readonly EngineName[]

export function setup(): () => void {
  return () => {
    const missing = engines.filter((engine) => !hasEngine(engine)).map((engine) => suites[engine])
    const unstoppable = engines.filter((engine) => hasEngine(engine) && !hasProgram(engine))
    const parts = unstoppable.map(
      (engine) => `${suites[engine]} when its server is stopped or its processes are killed`,
    )
    const notRun = [...missing, ...parts]
    if (notRun.length === 0) return
    console.log(`\nDID NOT RUN: ${notRun.join('; ')}.\nInstall what is missing with: ${provideCommand}`)
    if (mustHaveEngines) process.exitCode = 1
  }
}
