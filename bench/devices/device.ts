/** A piece of code that exists, or existed, only for speed. */
export interface Device {
  readonly name: string
  /** Removes a device that stayed, or restores one that went. */
  readonly patch: Patch
  /** The body sizes that show its effect, in bytes. */
  readonly sizes: readonly number[]
  /** What to measure. @default 'http': deliveries to a Fastify server */
  readonly measuredIn?: 'http' | 'verify'
  /** Signs the deliveries. @default the first key of the server's secret */
  readonly senderKey?: Buffer
  /** The device is a guarantee and stays whatever it costs. */
  readonly isGuarantee?: boolean
}

/** A change to the code under test, small enough to read. */
export interface Patch {
  readonly edits: readonly Edit[]
  /** A module of this folder that the edits import from. */
  readonly module?: string
}

/** Replaces one passage of a file. The passage must occur exactly once; whitespace does not matter. */
export interface Edit {
  /** Relative to `packages`. */
  readonly file: string
  readonly from: string
  /** The end of the passage, if it does not end with `from`. Everything between the two is replaced as well. */
  readonly through?: string
  readonly to: string
  /** What the file then imports from the patch's module. Only for files of core. */
  readonly imports?: string
}
