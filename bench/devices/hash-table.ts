// Stores keys by the hash of their text, in a Map of numbers. A Map of strings accesses memory in more places per lookup.

interface Entry {
  readonly key: string
  readonly untilMs: number
}

const seed = Math.floor(Math.random() * 2 ** 32)

/** FNV-1a, as a 32-bit integer. */
export function hashOf(key: string): number {
  let hash = seed
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return hash
}

export class HashTable {
  readonly #entries = new Map<number, Entry>()

  get size(): number {
    return this.#entries.size
  }

  get(key: string, hash: number): number | undefined {
    return this.#entries.get(this.#placeOf(key, hash))?.untilMs
  }

  set(key: string, untilMs: number): void {
    this.#entries.set(this.#placeOf(key, hashOf(key)), { key, untilMs })
  }

  /** The hash, or the next number that no other key uses. */
  #placeOf(key: string, hash: number): number {
    let place = hash
    while ((this.#entries.get(place)?.key ?? key) !== key) place = (place + 1) | 0
    return place
  }
}
