/**
 * Keys, each with the time until which it is remembered. Nothing is ever taken out: whoever holds one drops it whole.
 *
 * A hash table in two numbers per slot, because a `Map` of strings reads memory that is far apart several times for each
 * look: once it is larger than the processor's cache, that costs more than to compute the hash.
 */
export class RememberedKeys {
  readonly #keys: string[] = []
  readonly #untilMs: number[] = []
  /** The hash of a key, and its place among the keys counted from 1; 0 where the slot is free. At least half of them are. */
  #slots = new Int32Array(2 * 512)

  get size(): number {
    return this.#keys.length
  }

  /** @returns milliseconds since 1970; 0 for a key that is not there. */
  untilMs(key: string, hash: number): number {
    return this.#untilMs[(this.#slots[this.#find(key, hash) + 1] as number) - 1] ?? 0
  }

  remember(key: string, hash: number, untilMs: number): void {
    const place = this.#slots[this.#find(key, hash) + 1] as number
    if (place > 0) {
      this.#untilMs[place - 1] = untilMs
      return
    }
    this.#untilMs.push(untilMs)
    this.#fill(hash, this.#keys.push(key))
    if (this.size * 4 > this.#slots.length) this.#grow()
  }

  /** The slot of a key, or the free one that it would take. */
  #find(key: string, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 2
    let slot = (hash << 1) & mask
    for (; slots[slot + 1] !== 0; slot = (slot + 2) & mask) {
      // Two keys of one hash are told apart, so that no event is ever taken for another.
      if (slots[slot] === hash && this.#keys[(slots[slot + 1] as number) - 1] === key) break
    }
    return slot
  }

  #fill(hash: number, place: number): void {
    const slot = this.#find(this.#keys[place - 1] as string, hash)
    this.#slots[slot] = hash
    this.#slots[slot + 1] = place
  }

  #grow(): void {
    const former = this.#slots
    this.#slots = new Int32Array(2 * former.length)
    for (let slot = 0; slot < former.length; slot += 2) {
      const place = former[slot + 1] as number
      if (place > 0) this.#fill(former[slot] as number, place)
    }
  }
}

/** Another one in each process: nobody can choose keys that all fall into one slot. */
const seed = Math.floor(Math.random() * 2 ** 32)

/** FNV-1a, whose upper bits are mixed into the lower ones: those choose the slot. */
export function hashOf(key: string): number {
  let hash = seed
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return hash ^ (hash >>> 15)
}
