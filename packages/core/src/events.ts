/**
 * ScrapeNest's catalog: each event type with its `data` (docs.scrapenest.com/webhooks/events). Fields keep their wire
 * names.
 */
export interface ScrapeNestEvents {
  'job.created': JobCreatedData
  'job.completed': JobCompletedData
  'artifact.ready': ArtifactReadyData
}

/** A job was accepted and queued. */
export interface JobCreatedData {
  readonly job_id: string
  /** `light`, `standard` or `stealth`. ScrapeNest's sample has `http`, so expect other values. */
  readonly job_type: string
  /** Such as `queued`. */
  readonly status: string
  /** The page to scrape, as submitted. */
  readonly target_url: string
  /** ISO 8601, UTC. */
  readonly created_at: string
}

/** A job ended. Failed jobs have no separate event: check `status`. */
export type JobCompletedData = JobSucceededData | JobFailedData

/** The job succeeded. Each artifact has its own `artifact.ready` event. */
export interface JobSucceededData {
  readonly job_id: string
  readonly status: 'succeeded'
  /** The number of artifacts that can be downloaded. */
  readonly artifact_count: number
  /** In milliseconds. */
  readonly duration_ms: number
  /** ISO 8601, UTC. */
  readonly completed_at: string
}

/** The job failed after all its own retries. */
export interface JobFailedData {
  readonly job_id: string
  readonly status: 'failed'
  /** Such as `timeout`. Expect other values. */
  readonly failure_reason: string
  /** In milliseconds. */
  readonly duration_ms: number
  /** ISO 8601, UTC. */
  readonly completed_at: string
}

/** One artifact of a job can be downloaded. */
export interface ArtifactReadyData {
  readonly job_id: string
  /** Such as `html`, `screenshot` or `har`. Expect other values. */
  readonly artifact_type: string
  /** A URL for a plain GET. Treat it as a credential: anyone who has it can download the artifact. */
  readonly download_url: string
}

/** The event types of the catalog, for use at run time. */
export const scrapeNestEventTypes: readonly EventType<ScrapeNestEvents>[] = [
  'job.created',
  'job.completed',
  'artifact.ready',
]

/**
 * The event type that `scrapenest-webhooks doctor` sends to test a live server. Such events are verified like any other
 * and accepted if the store works. They reach no handler and are not stored.
 */
export const probeEventType = 'scrapenest-webhooks.probe'

/**
 * One verified event. Only `event_id` and `event_type` are checked. The other fields are whatever the sender signed; some
 * of ScrapeNest's samples lack them.
 *
 * @typeParam Type a literal, so that a union of events narrows on `event_type`.
 */
export interface WebhookEvent<Type extends string = string, Data = unknown> {
  /** Unique per event. Filled with the signed `svix-id` if the sender omits it. */
  readonly event_id: string
  /** Such as `job.completed`. Discriminates a union of events. */
  readonly event_type: Type
  /** Version of the event's schema. */
  readonly version?: string
  /** The path of the event's JSON schema at ScrapeNest. */
  readonly schema_ref?: string
  /** When the event happened: ISO 8601, UTC. */
  readonly occurred_at?: string
  /** The ScrapeNest organization that the event belongs to. */
  readonly org_id?: string
  /** The organization's readable name, as used in URLs. */
  readonly org_slug?: string
  /** The facts of the event, by type. See `ScrapeNestEvents`. */
  readonly data: Data
}

/** The type names of a catalog: an interface whose keys are event types and whose values are the shapes of `data`. */
export type EventType<Events extends object> = keyof Events & string

/** Every event of a catalog, as a union discriminated by `event_type`. */
export type AnyEvent<Events extends object> = {
  [Type in EventType<Events>]: WebhookEvent<Type, Events[Type]>
}[EventType<Events>]

/** Every ScrapeNest event that this release knows. */
export type ScrapeNestEvent = AnyEvent<ScrapeNestEvents>

/**
 * Exists only for the compiler; at run time, the value is a plain string. It is an enum, because the compiler refuses to
 * compare an enum with a string literal. So comparing `event_type` with a known type rules out `UnknownEvent`, and
 * comparing it with a misspelled type does not compile.
 */
export declare enum UnlistedEventType {
  Unlisted = 'a type that is not in the catalog',
}

/** An event whose type is not in the catalog. */
export type UnknownEvent = WebhookEvent<UnlistedEventType>

/** The family of a type, named after the part before the first period: `'job.created'` belongs to `'job.*'`. */
type FamilyOf<Type extends string> = Type extends `${infer Family}.${string}` ? `${Family}.*` : never

/** What a handler can subscribe to: one type, one family, or every event of the catalog. */
export type EventPattern<Events extends object> = EventType<Events> | FamilyOf<EventType<Events>> | '*'

/** The event, or union of events, that a pattern selects. Distributes over a union of patterns. */
export type EventOf<Events extends object, Pattern extends EventPattern<Events>> = Pattern extends '*'
  ? AnyEvent<Events>
  : Pattern extends `${infer Family}.*`
    ? Extract<AnyEvent<Events>, { readonly event_type: `${Family}.${string}` }>
    : Extract<AnyEvent<Events>, { readonly event_type: Pattern }>

/**
 * The part of the Standard Schema interface (standardschema.dev, version 1) that this library uses. Implemented by zod,
 * valibot, arktype and others.
 *
 * @typeParam Output what the schema turns `data` into.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

/** The result of a Standard Schema: the output, or the issues. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly unknown[] }

/** The `schemas` option: schemas by event type. */
export type EventSchemas<Events extends object> = {
  readonly [Type in EventType<Events>]?: StandardSchema | undefined
}

/**
 * The catalog with the output of each schema in place of its type's `data`. Without schemas, the catalog unchanged.
 */
export type SchemaOutputs<Events extends object, Schemas> = [keyof Schemas] extends [never]
  ? Events
  : {
      [Type in EventType<Events>]: Type extends keyof Schemas
        ? Schemas[Type] extends StandardSchema<infer Output>
          ? Output
          : Events[Type]
        : Events[Type]
    }
