import { describe, expect, it } from 'vitest'
import { durabilityProblem } from '../../src/redis/redis-durability.ts'

describe('durabilityProblem', () => {
  it.each([
    { info: 'aof_enabled:1\r\nmaxmemory_policy:noeviction\r\n', message: undefined },
    { info: '', message: undefined },
    { info: 'aof_enabled:0\r\nmaxmemory_policy:noeviction\r\n', message: /With appendonly no/ },
    { info: 'aof_enabled:1\r\nmaxmemory_policy:volatile-lru\r\n', message: /With maxmemory-policy volatile-lru/ },
  ])('$info', ({ info, message }) => {
    const problem = durabilityProblem(info)
    if (message === undefined) expect(problem).toBeUndefined()
    else expect(problem?.message).toMatch(message)
  })
})
