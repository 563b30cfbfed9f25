/**
 * The events of ScrapeNest as its documentation names them (docs.scrapenest.com/webhooks/events). What crosses the wire
 * keeps its wire name.
 */
export interface ScrapeNestEvents {
  'job.created': JobCreatedData
  'job.completed': JobCompletedData
  'artifact.ready': ArtifactReadyData
}

/** A job was accepted and queued. */
export interface JobCreatedData {
  readonly job_id: string
  /** `light`, `standard` or `stealth`; ScrapeNest's own sample says `http`, so the list is open. */
  readonly job_type: string
  readonly status: string
  readonly target_url: string
  /** ISO 8601, UTC. */
  readonly created_at: string
}

/** A job ended. There is no separate event for a failure: look at `status`. */
export type JobCompletedData = JobSucceededData | JobFailedData

export interface JobSucceededData {
  readonly job_id: string
  readonly status: 'succeeded'
  readonly artifact_count: number
  readonly duration_ms: number
  /** ISO 8601, UTC. */
  readonly completed_at: string
}

/** The job failed after all its own retries. */
export interface JobFailedData {
  readonly job_id: string
  readonly status: 'failed'
  /** For example `timeout`; the list is open. */
  readonly failure_reason: string
  readonly duration_ms: number
  /** ISO 8601, UTC. */
  readonly completed_at: string
}

/** One artifact of a job can be downloaded. */
export interface ArtifactReadyData {
  readonly job_id: string
  /** For example `html`, `screenshot`, `har`; the list is open. */
  readonly artifact_type: string
  /** Returns the bytes to a plain GET. Treat it as a credential: anyone who has it can download the artifact. */
  readonly download_url: string
}

/** The types of the catalogue as values: types are gone at run time. */
export const scrapeNestEventTypes: readonly EventType<ScrapeNestEvents>[] = [
  'job.created',
  'job.completed',
  'artifact.ready',
]

/**
 * The type of the events that `scrapenest-webhooks doctor` sends to test a live server. They are signed like any other
 * and answered once the store is known to work. They reach no handler and are not stored.
 */
export const probeEventType = 'scrapenest-webhooks.probe'

/**
 * One verified event. Only `event_id` and `event_type` are checked; the other fields are whatever the sender signed,
 * and some of ScrapeNest's samples lack them.
 *
 * @typeParam Type a literal, so that a union of events narrows on `event_type`.
 */
export interface WebhookEvent<Type extends string = string, Data = unknown> {
  /** Unique per occurrence. The signed `svix-id` where the sender omits it. */
  readonly event_id: string
  readonly event_type: Type
  /** Version of the event's schema. */
  readonly version?: string
  readonly schema_ref?: string
  /** When it happened: ISO 8601, UTC. */
  readonly occurred_at?: string
  readonly org_id?: string
  readonly org_slug?: string
  readonly data: Data
}

/** The type names of a catalogue: an interface whose keys are event types and whose values are the shapes of `data`. */
export type EventType<Events extends object> = keyof Events & string

/** Every event of a catalogue, as a union discriminated by `event_type`. */
export type AnyEvent<Events extends object> = {
  [Type in EventType<Events>]: WebhookEvent<Type, Events[Type]>
}[EventType<Events>]

/** Every event of ScrapeNest that this release knows. */
export type ScrapeNestEvent = AnyEvent<ScrapeNestEvents>

/**
 * For the compiler only: at run time this is a plain string. An enum, because no string literal is comparable to it:
 * then comparing `event_type` with a known name rules `UnknownEvent` out, and comparing it with a misspelt one is an
 * error.
 */
export declare enum UnlistedEventType {
  Unlisted = 'a type that is not in the catalogue',
}

/** An event whose type is not in the catalogue. */
export type UnknownEvent = WebhookEvent<UnlistedEventType>

/** `'job.created'` belongs to `'job.*'`. A family is the part before the first full stop. */
type FamilyOf<Type extends string> = Type extends `${infer Family}.${string}` ? `${Family}.*` : never

/** What a handler can subscribe to: one type, one family, or every event of the catalogue. */
export type EventPattern<Events extends object> = EventType<Events> | FamilyOf<EventType<Events>> | '*'

/** The event, or union of events, that a pattern selects. Distributes over a union of patterns. */
export type EventOf<Events extends object, Pattern extends EventPattern<Events>> = Pattern extends '*'
  ? AnyEvent<Events>
  : Pattern extends `${infer Family}.*`
    ? Extract<AnyEvent<Events>, { readonly event_type: `${Family}.${string}` }>
    : Extract<AnyEvent<Events>, { readonly event_type: Pattern }>

/**
 * The part of the Standard Schema interface (standardschema.dev, version 1) that is called. zod, valibot, arktype and
 * others implement it.
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

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly unknown[] }

/** Schemas by event type: the form of the `schemas` option. */
export type EventSchemas<Events extends object> = {
  readonly [Type in EventType<Events>]?: StandardSchema | undefined
}

/**
 * A catalogue in which the output of each schema replaces the `data` of its type. Without schemas, the catalogue
 * itself.
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
