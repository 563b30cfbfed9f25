/** A piece of code that is there for speed alone, or was. */
export interface Device {
  readonly name: string
  /** For a device that stayed: takes it out. For one that went: puts it back in. */
  readonly patch: Patch
  /** The sizes of body that show it, in bytes. */
  readonly sizes: readonly number[]
  /** What is measured. @default 'http': deliveries to a Fastify server */
  readonly measuredIn?: 'http' | 'verify'
  /** Signs the deliveries. @default the first key of the server's secret */
  readonly senderKey?: Buffer
  /** Not for speed: it stays whatever it costs. */
  readonly isGuarantee?: boolean
}

/** A change of the code under test, small enough to be read. */
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
  /** What the file then needs of the patch's module. Files of core only. */
  readonly imports?: string
}
