import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defaultLogger } from '../../src/adapter.ts'
import { createReceiver } from '../../src/index.ts'
import { createRateLimitedLog, type LogLine, safely, writeLine } from '../../src/report/log.ts'
import {
  atStart,
  deliver,
  failing,
  otherSecret,
  recordingLogger,
  secret,
  settle,
  useFakeTimersInContext,
} from '../deliveries.ts'

function lineTo(logger: LogLine['logger'], fields: object = { code: 'signature_mismatch' }): LogLine {
  return { logger, level: 'warn', fields, message: 'No secret matched.' }
}

describe('the rate-limited log', () => {
  beforeEach(useFakeTimersInContext)
  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  it('writes the first line of a kind immediately and returns whether it did', () => {
    const logger = recordingLogger()
    const log = createRateLimitedLog('[shop] ')
    expect([log.write('one', lineTo(logger)), log.write('one', lineTo(logger))]).toEqual([true, false])
    expect(log.write('two', lineTo(logger))).toBe(true)
    const line = { level: 'warn', fields: { code: 'signature_mismatch' }, message: '[shop] No secret matched.' }
    expect(logger.lines).toEqual([line, line])
  })

  it('writes the count of each repeated kind after a minute, then starts over', () => {
    const logger = recordingLogger()
    const log = createRateLimitedLog('[shop] ')
    for (let count = 0; count < 1000; count += 1) log.write('repeated', lineTo(logger))
    log.write('single', lineTo(logger))
    logger.lines.length = 0
    vi.advanceTimersByTime(59_999)
    expect(logger.lines).toEqual([])
    vi.advanceTimersByTime(1)
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        fields: { code: 'signature_mismatch', repeats: 999 },
        message: '[shop] No secret matched. (999 more within a minute)',
      },
    ])
    expect(log.write('repeated', lineTo(logger))).toBe(true)
    expect(vi.getTimerCount()).toBe(1)
  })

  it('writes the pending counts when it is flushed, and leaves no timer', () => {
    const logger = recordingLogger()
    const log = createRateLimitedLog('')
    for (let count = 0; count < 3; count += 1) log.write('kind', lineTo(logger))
    log.flush()
    expect(logger.lines.map(({ fields }) => fields)).toEqual([
      { code: 'signature_mismatch' },
      { code: 'signature_mismatch', repeats: 2 },
    ])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps only the code of a counted line, and writes the count to the logger of the first one', () => {
    const [first, second] = [recordingLogger(), recordingLogger()]
    const log = createRateLimitedLog('')
    log.write('kind', lineTo(first, { code: 'body_aborted', remoteAddress: '192.0.2.1' }))
    log.write('kind', lineTo(second, { code: 'body_aborted', remoteAddress: '192.0.2.2' }))
    log.flush()
    expect(first.lines.at(-1)?.fields).toEqual({ code: 'body_aborted', repeats: 1 })
    expect(second.lines).toEqual([])
  })

  it('does not keep the process alive for a pending count', async () => {
    const receiver = createReceiver({ secret, ...atStart, logger: recordingLogger() })
    await receiver.receive(deliver(undefined, { secret: otherSecret }))
    const minute = vi.mocked(setTimeout).mock.calls.findIndex(([, delayMs]) => delayMs === 60_000)
    const timer = vi.mocked(setTimeout).mock.results[minute]?.value as NodeJS.Timeout
    expect(timer.hasRef()).toBe(false)
  })

  it('writes the counts in the async context in which the receiver was created, not in that of a request', async () => {
    const storage = new AsyncLocalStorage<string>()
    const stores: (string | undefined)[] = []
    const note = (): void => void stores.push(storage.getStore())
    const receiver = storage.run('creation', () =>
      createReceiver({ secret, ...atStart, logger: { warn: note, error: note } }),
    )
    for (const request of ['first', 'second', 'third']) {
      await storage.run(request, () => receiver.receive(deliver(undefined, { secret: otherSecret })))
    }
    expect(stores).toEqual(['first'])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(stores).toEqual(['first', 'creation'])
    for (const request of ['fourth', 'fifth']) {
      await storage.run(request, () => receiver.receive(deliver(undefined, { secret: otherSecret })))
    }
    await storage.run('operator', () => receiver.close())
    expect(stores).toEqual(['first', 'creation', 'fourth', 'creation'])
  })
})

describe('writeLine', () => {
  it('writes the line without its error if the logger cannot print the error', () => {
    const lines: unknown[] = []
    const logger = {
      warn() {},
      // Like pino's serializer, which writes to the errors it prints.
      error(fields: { err?: Error }, message: string) {
        if (fields.err !== undefined) fields.err.name = 'seen'
        lines.push([fields, message])
      },
    }
    const err = Object.freeze(new Error('frozen'))
    writeLine({ logger, level: 'error', fields: { code: 'handler_failed', err }, message: 'A handler failed.' })
    expect(lines).toEqual([[{ code: 'handler_failed' }, 'A handler failed. (The error could not be printed.)']])
  })

  it('survives a logger that throws or rejects', async () => {
    writeLine(lineTo({ warn: failing(new Error('no')), error: failing(new Error('no')) }))
    writeLine(lineTo({ warn: () => Promise.reject(new Error('no')), error() {} }))
    // Vitest fails the run if one of them becomes an unhandled rejection.
    await settle()
  })
})

describe('safely', () => {
  it.each<[string, () => unknown]>([
    ['throws', failing('reason')],
    ['rejects with', () => Promise.reject('reason')],
  ])('passes on what a call %s', async (_given, call) => {
    const onFailure = vi.fn()
    await safely(call, onFailure)
    await safely(call)
    expect(onFailure).toHaveBeenCalledExactlyOnceWith('reason')
  })

  it('makes the call before it returns', () => {
    const call = vi.fn()
    void safely(call)
    expect(call).toHaveBeenCalledTimes(1)
  })
})

describe('the default logger', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('emits warnings as process warnings, with their code', () => {
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    defaultLogger.warn({ code: 'signature_mismatch', remoteAddress: '192.0.2.7' }, 'No secret matched.')
    defaultLogger.warn({ other: 1 }, 'Without a code.')
    defaultLogger.warn({}, 'Without fields.')
    expect(emit.mock.calls).toEqual([
      [
        'No secret matched.',
        {
          type: 'ScrapeNestWebhooks',
          code: 'signature_mismatch',
          detail: expect.stringContaining("remoteAddress: '192.0.2.7'"),
        },
      ],
      ['Without a code.', { type: 'ScrapeNestWebhooks', detail: '{ other: 1 }' }],
      ['Without fields.', { type: 'ScrapeNestWebhooks' }],
    ])
  })

  it('writes errors to stderr with the error behind them, where NODE_NO_WARNINGS does not hide them', () => {
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    defaultLogger.error({ code: 'handler_failed', err: new Error('the reason') }, 'A handler failed.')
    expect(write.mock.calls).toEqual([
      [expect.stringMatching(/^A handler failed\. .*handler_failed.*Error: the reason.*\n$/s)],
    ])
    expect(emit).not.toHaveBeenCalled()
  })

  it('is used by a receiver without a logger', async () => {
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const onEvent = { '*': failing(new Error('the reason')) }
    const receiver = createReceiver({ secret, ...atStart, onEvent })
    await receiver.receive(deliver(undefined, { secret: otherSecret }))
    expect(emit).toHaveBeenCalledExactlyOnceWith(
      expect.stringContaining('[scrapenest webhooks] No secret matched'),
      expect.objectContaining({ code: 'signature_mismatch' }),
    )
    await receiver.receive(deliver())
    expect(write).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('the reason'))
    await receiver.close()
  })
})
