export interface Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number
}

/** Returns the same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return {
    below(limit) {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
    },
  }
}

/** Characters of one to four bytes, control characters, quotes, and patterns that `String.replace` expands. */
const ranges: readonly (readonly [from: number, to: number])[] = [
  [0x20, 0x7e],
  [0x00, 0x1f],
  [0xa0, 0x17f],
  [0x2010, 0x2030],
  [0x4e00, 0x4eff],
  [0x1f300, 0x1f5ff],
  [0x24, 0x26],
  [0xfff9, 0xfffd],
]

export function randomText(random: Random, length: number): string {
  let text = ''
  for (let count = 0; count < length; count += 1) {
    const [from, to] = ranges[random.below(ranges.length)] as (typeof ranges)[number]
    text += String.fromCodePoint(from + random.below(to - from + 1))
  }
  return text
}

/** JSON as senders write it: any value, with numbers and whitespace that `JSON.stringify` would write differently. */
export function randomJson(random: Random, depth = 0): string {
  const kind = random.below(depth < 4 ? 8 : 5)
  const blank = [' ', '', '\n', '\t', '\r\n'][random.below(5)] as string
  const items = Array.from({ length: kind > 4 ? random.below(6) : 0 }, () => randomJson(random, depth + 1))
  if (kind > 6) return `[${blank}${items.join(`,${blank}`)}]`
  if (kind > 4) {
    const members = items.map((item) => `${JSON.stringify(randomText(random, random.below(9)))}${blank}:${item}`)
    return `{${members.join(`,${blank}`)}${blank}}`
  }
  if (kind > 2) return JSON.stringify(randomText(random, random.below(200)))
  if (kind > 1) return ['true', 'false', 'null'][random.below(3)] as string
  return ['1.0', '-0', '1e3', '12345678901234567890', `${random.below(2 ** 31)}.50`, '0.1E-7'][
    random.below(6)
  ] as string
}
