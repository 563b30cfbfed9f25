import type { CheckDefinition } from '../check-definition.ts'
import { ConformanceFailure } from '../conformance-failure.ts'
import { accepted, refused } from '../expectation.ts'
import { unusualJson } from '../unusual-json.ts'

const ownContentType = 'parsers differ in the content types they read'
const unparsedForm = 'no parser consumes the body; B02 covers content types'

/** The bytes of the body, whatever their content type. */
export const bodyChecks: readonly CheckDefinition[] = [
  {
    id: 'B01',
    name: 'MUST pass the bytes to the handler exactly as they were sent',
    async run(context) {
      context.createReceiver()
      const { headers, body } = context.sign(unusualJson)
      await context.expectReply({ headers, body }, accepted)
      context.expectHandled(1)
      const rawBody = context.deliveries[0]?.rawBody
      if (rawBody !== undefined && Buffer.compare(rawBody, body) !== 0) {
        throw new ConformanceFailure('The handler got bytes that differ from those sent.')
      }
    },
  },
  {
    id: 'B02',
    name: 'MUST accept a delivery whatever its content type, even without one',
    notUnder: { 'parser first': ownContentType, 'captured raw body': ownContentType },
    async run(context) {
      context.createReceiver()
      const contentTypes = [
        'application/json; charset=utf-8',
        'application/cloudevents+json',
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/octet-stream',
        'json',
        'application/json;;',
      ]
      for (const contentType of contentTypes) {
        const { headers, body } = context.sign()
        await context.expectReply({ headers: { ...headers, 'content-type': contentType }, body }, accepted)
      }
      const { headers, body } = context.sign()
      const { 'content-type': _, ...none } = headers
      await context.expectReply({ headers: none, body }, accepted)
      context.expectHandled(contentTypes.length + 1)
    },
  },
  {
    id: 'B03',
    name: 'MUST reply with 415 to a form or text that a parser has consumed, and accept it where none has',
    notUnder: {
      bare: unparsedForm,
      'captured raw body': unparsedForm,
      compressed: unparsedForm,
      'chunked mid-code-point': unparsedForm,
      oversized: unparsedForm,
      slow: unparsedForm,
      aborted: unparsedForm,
    },
    async run(context) {
      context.createReceiver()
      for (const contentType of ['application/x-www-form-urlencoded', 'text/plain']) {
        const { headers, body } = context.sign()
        await context.expectEither(
          { headers: { ...headers, 'content-type': contentType }, body },
          { ifLost: refused('body', 415, 'content_type_unsupported'), ifUnread: accepted },
        )
      }
    },
  },
]
