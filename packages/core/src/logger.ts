import { inspect } from 'node:util'

/** What we need of a logger: pino's manner, fields first. Fastify's own, pino-http's and `console` fit. */
export interface Logger {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Where a host has no logger: Node's own channel for messages of libraries (stderr, or `process.on('warning')`). */
export const processWarnings: Logger = {
  warn: emitWarning,
  error: emitWarning,
}

function emitWarning(fields: { code?: string }, message: string): void {
  process.emitWarning(message, {
    type: 'ScrapeNestWebhooks',
    detail: inspect(fields),
    code: fields.code,
  })
}
