import { createReceiver, verify } from '@scrapenest-webhooks/core'
import { generateSecret } from '@scrapenest-webhooks/testing'
import { expect, it } from 'vitest'

it('a sparse list of secrets is rejected at startup', () => {
  const secrets: string[] = []
  secrets[1] = generateSecret()
  const refusal = expect.objectContaining({ code: 'configuration_invalid' })
  expect(() => createReceiver({ secret: secrets })).toThrow(refusal)
  expect(() => verify({ headers: {}, body: '' }, secrets)).toThrow(refusal)
})
